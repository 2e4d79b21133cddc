import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { offloaded } from "../../../tooling/offloaded.ts";
import { variantCases } from "../../../tooling/wide.ts";
import { harnessOf } from "./support/harness.ts";

defineConformance({ describe, test }, offloaded(harnessOf("better-sqlite3")), { only: variantCases });
