import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { postgresHarness } from "./support/harness.ts";

// The oldest supported version.
defineConformance({ describe, test }, postgresHarness("PostgreSQL 15", useDatabase({ version: 15 })));
