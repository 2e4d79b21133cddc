import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { postgresHarness } from "./support/harness.ts";

// The workflow runs it on every version that is maintained.
const version = Number(process.env["TEST_POSTGRES_VERSION"] || 18);
defineConformance({ describe, test }, postgresHarness(`PostgreSQL ${version}`, useDatabase({ version })));
