import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { harnessOf } from "./support/harness.ts";

// bun:sqlite is tested on Bun: see tooling/test/runtimes.test.ts.
defineConformance({ describe, test }, harnessOf("better-sqlite3"));
