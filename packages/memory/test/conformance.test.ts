import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { memoryHarness } from "./support/harness.ts";

defineConformance({ describe, test }, memoryHarness);
