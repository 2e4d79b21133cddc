import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { harness } from "./support/harness.ts";

defineConformance({ describe, test: test.concurrent }, harness("Redis", "node-redis-6"));
