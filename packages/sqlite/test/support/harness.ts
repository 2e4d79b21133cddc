import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Harness } from "@mcp-task-store/core/conformance";
import { type SqliteDriver, SqliteTaskStore } from "@mcp-task-store/sqlite";

/** The harness of the conformance suite for stores that open their files by this driver. */
export function harnessOf(driver: SqliteDriver): Harness {
  return {
    name: `sqlite by ${driver}`,
    capabilities: { durable: true, multiProcess: true },
    async isolate() {
      const folder = await mkdtemp(join(tmpdir(), "sqlite-conformance-"));
      const place = { path: join(folder, "tasks.db"), driver };
      let ahead = 0;
      const clock = { now: () => Date.now() + ahead };
      return {
        open: (options) => new SqliteTaskStore({ ...place, clock, ...options }),
        async advance(ms) {
          ahead += ms;
        },
        remote: { module: new URL("remote.ts", import.meta.url).href, argument: place },
        destroy: () => rm(folder, { recursive: true, force: true }),
      };
    },
  };
}
