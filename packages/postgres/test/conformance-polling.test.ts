import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { postgresHarness } from "./support/harness.ts";

const polling = postgresHarness("PostgreSQL without LISTEN", useDatabase(), { listen: false, changePollMs: 20 });

defineConformance({ describe, test }, polling);
