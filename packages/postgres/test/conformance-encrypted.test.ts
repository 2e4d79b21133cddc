import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { coded } from "../../../tooling/coded.ts";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { fewCases } from "../../../tooling/wide.ts";
import { postgresHarness } from "./support/harness.ts";

defineConformance({ describe, test }, coded(postgresHarness("PostgreSQL", useDatabase())), { only: fewCases });
