import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { coded } from "../../../tooling/coded.ts";
import { variantCases } from "../../../tooling/wide.ts";
import { harnessOf } from "./support/harness.ts";

defineConformance({ describe, test }, coded(harnessOf("better-sqlite3")), { only: variantCases });
