import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConformance, type Harness } from "@mcp-task-store/core/conformance";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import { describe, test } from "vitest";

const harness: Harness = {
  name: "sqlite",
  capabilities: { durable: true, multiProcess: true },
  async isolate() {
    const folder = await mkdtemp(join(tmpdir(), "sqlite-conformance-"));
    const path = join(folder, "tasks.db");
    let ahead = 0;
    const clock = { now: () => Date.now() + ahead };
    return {
      open: (options) => new SqliteTaskStore({ path, clock, ...options }),
      async advance(ms) {
        ahead += ms;
      },
      remote: { module: new URL("support/remote.ts", import.meta.url).href, argument: path },
      destroy: () => rm(folder, { recursive: true, force: true }),
    };
  },
};

defineConformance({ describe, test }, harness);
