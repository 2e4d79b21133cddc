import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { variantCases } from "../../../tooling/wide.ts";
import { poolHarness } from "./support/pool-harness.ts";

// The oldest supported version of the server, by the first version of pg in the peer's range.
defineConformance({ describe, test }, poolHarness("the oldest pg", useDatabase({ version: 15 })), {
  only: variantCases,
});
