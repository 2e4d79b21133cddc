import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { databaseUrl } from "./database.ts";
import { harness } from "./harness.ts";

// Before the first case, because an image that has to be pulled takes longer than a case may.
await databaseUrl();

defineConformance({ describe, test }, harness);
