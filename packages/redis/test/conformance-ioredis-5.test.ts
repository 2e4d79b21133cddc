import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { variantCases } from "../../../tooling/wide.ts";
import { harness } from "./support/harness.ts";

defineConformance({ describe, test: test.concurrent }, harness("Redis", "ioredis-5"), { only: variantCases });
