// The suite over SQLite stores of the packed packages. Prints the failures, and the number of passed
// cases.
//
// conform-sqlite.mjs [DRIVER] [TOPIC...]: the driver that opens the files, and a part of the suite.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runConformance } from "@mcp-task-store/core/conformance";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";

/** Opens a store in another process. */
export function open(place, options) {
  return new SqliteTaskStore({ ...place, ...options });
}

const harness = {
  name: "sqlite",
  capabilities: { durable: true, multiProcess: true },
  async isolate() {
    const folder = await mkdtemp(join(tmpdir(), "sqlite-packed-"));
    const place = { path: join(folder, "tasks.db"), driver: process.argv[2] };
    let offset = 0;
    const clock = { now: () => Date.now() + offset };
    return {
      open: (options) => open({ ...place, clock }, options),
      async advance(ms) {
        offset += ms;
      },
      remote: { module: import.meta.url, argument: place },
      destroy: () => rm(folder, { recursive: true, force: true }),
    };
  },
};

if (import.meta.main ?? process.argv[1].endsWith("conform-sqlite.mjs")) {
  const topics = process.argv.slice(3);
  const { passed, cases } = await runConformance(harness, topics.length > 0 ? { only: topics } : {});
  console.log(JSON.stringify({ passed, failed: cases.flatMap(({ id, status }) => (status === "failed" ? [id] : [])) }));
}
