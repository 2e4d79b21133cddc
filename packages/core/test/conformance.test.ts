import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { makeHarness } from "./mutants/harness.ts";

// The documentation's example passes the whole suite here. Each mutant beside it fails.
defineConformance({ describe, test }, makeHarness());
