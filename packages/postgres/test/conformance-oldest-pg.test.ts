import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { poolHarness } from "./support/pool-harness.ts";

// The first version of pg in the range of the peer dependency.

defineConformance({ describe, test }, poolHarness("the oldest pg", useDatabase()));
