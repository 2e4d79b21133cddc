import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TaskStoreOptions } from "@mcp-task-store/core";
import { DurableTaskStore } from "@mcp-task-store/core/backend";
import type { Harness } from "@mcp-task-store/core/conformance";
import { SqliteBackend } from "./sqlite-backend.ts";

/** How the suite's other processes open a store. */
export function open(file: string, options: TaskStoreOptions) {
  return new DurableTaskStore(new SqliteBackend(file), options);
}

export const harness: Harness = {
  name: "node:sqlite",
  capabilities: { durable: true, multiProcess: true },
  async isolate() {
    const folder = await mkdtemp(join(tmpdir(), "tasks-"));
    const file = join(folder, "tasks.db");
    let ahead = 0;
    return {
      open: (options) => new DurableTaskStore(new SqliteBackend(file, () => Date.now() + ahead), options),
      advance: async (ms) => {
        ahead += ms;
      },
      remote: { module: import.meta.url, argument: file },
      destroy: () => rm(folder, { recursive: true }),
    };
  },
};
