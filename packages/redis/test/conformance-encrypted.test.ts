import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { coded } from "../../../tooling/coded.ts";
import { fewCases } from "../../../tooling/wide.ts";
import { harness } from "./support/harness.ts";

defineConformance({ describe, test: test.concurrent }, coded(harness("Redis", "url")), { only: fewCases });
