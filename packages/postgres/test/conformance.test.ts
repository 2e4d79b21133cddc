import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { postgresHarness } from "./support/harness.ts";

defineConformance({ describe, test }, postgresHarness("PostgreSQL 18", useDatabase({ version: 18 })));
