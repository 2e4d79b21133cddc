// A store reads nothing of a foreign task, so a foreign id takes as long as an unknown one.
import { randomUUID } from "node:crypto";
import { DurableTaskStore, type TaskBackend } from "@mcp-task-store/core/backend";
import { MemoryBackend, MemoryStorage } from "@mcp-task-store/memory";
import { PostgresBackend } from "@mcp-task-store/postgres";
import { RedisBackend } from "@mcp-task-store/redis";
import { SqliteBackend } from "@mcp-task-store/sqlite";
import { describe, expect, onTestFinished, test } from "vitest";
import { useDatabase, useKeys } from "../databases/fixtures.ts";
import { CALLS_ON_A_TASK } from "./fixtures/foreign.ts";

const database = useDatabase();
const keys = useKeys();

const backends: Record<string, () => TaskBackend> = {
  memory: () => new MemoryBackend(new MemoryStorage()),
  sqlite: () => new SqliteBackend({ path: ":memory:" }),
  postgres: () => new PostgresBackend({ connectionString: database.url }),
  redis: () => new RedisBackend({ url: keys.url, keyPrefix: keys.prefix }),
};

/** The backend, and the results of its methods. */
function watched(backend: TaskBackend): { backend: TaskBackend; answers: unknown[] } {
  const answers: unknown[] = [];
  const proxy = new Proxy(backend, {
    get(_, name) {
      const value = Reflect.get(backend, name, backend) as unknown;
      if (typeof value !== "function") return value;
      return async (...args: unknown[]) => {
        const answer: unknown = await Reflect.apply(value, backend, args);
        answers.push([name, answer]);
        return answer;
      };
    },
  });
  return { backend: proxy, answers };
}

describe.each(Object.keys(backends))("%s", (name) => {
  test.each(["sdk", "strict"] as const)("reads nothing of a foreign task under isolation %s", async (isolation) => {
    const { backend, answers } = watched((backends[name] as () => TaskBackend)());
    const store = new DurableTaskStore(backend, { isolation, sweepIntervalMs: false });
    onTestFinished(() => store.close());
    const { taskId } = await store.createTask({}, 1, { method: "x" }, "alice");
    for (const [call, run] of Object.entries(CALLS_ON_A_TASK)) {
      const read = async (id: string) => {
        answers.length = 0;
        await run(store, id, "bob").catch(() => undefined);
        return [...answers];
      };
      expect([call, ...(await read(taskId))]).toEqual([call, ...(await read(randomUUID()))]);
    }
    // The task exists, so the comparison means something.
    expect(await store.getTask(taskId, "alice")).toMatchObject({ taskId, status: "working" });
  });
});
