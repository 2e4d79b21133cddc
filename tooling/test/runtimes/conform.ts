// The conformance suite, for runtimes other than Node. Prints its report as JSON.
//
// conform.ts memory [TOPIC...]: over the memory store, the whole suite or these topics.
// conform.ts DRIVER [TOPIC...]: over the SQLite store, whose files this driver opens.
import { runConformance } from "@mcp-task-store/core/conformance";
import type { SqliteDriver } from "@mcp-task-store/sqlite";
import { memoryHarness } from "../../../packages/memory/test/support/harness.ts";
import { harnessOf } from "../../../packages/sqlite/test/support/harness.ts";

const [where, ...topics] = process.argv.slice(2);
const harness = where === "memory" ? memoryHarness : harnessOf(where as SqliteDriver);
console.log(JSON.stringify(await runConformance(harness, topics.length > 0 ? { only: topics } : {})));
