import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { harnessOf } from "./support/harness.ts";

defineConformance({ describe, test }, harnessOf("node:sqlite"));
