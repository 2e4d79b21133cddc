import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { makeHarness } from "./mutants/harness.ts";

// The example of the README, and with it the suite: what it passes here, the mutants beside it fail.
defineConformance({ describe, test }, makeHarness());
