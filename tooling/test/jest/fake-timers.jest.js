// Run by Jest itself: see ../jest.test.ts.
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { RedisTaskStore } from "@mcp-task-store/redis";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";

const REQUEST = { method: "tools/call", params: { name: "work" } };
const { connectionString, url, keyPrefix } = JSON.parse(process.env.PLACES);
// Polls follow the real time, so this interval makes sure that none helps.
const fallbackPollMs = 600_000;

afterEach(() => {
  jest.useRealTimers();
});

describe.each([
  // The drivers use `process.nextTick`, which Jest fakes as well.
  ["memory", undefined, () => new MemoryTaskStore({ fallbackPollMs })],
  ["SQLite", undefined, () => new SqliteTaskStore({ path: ":memory:", fallbackPollMs })],
  ["PostgreSQL", ["nextTick"], () => new PostgresTaskStore({ connectionString, fallbackPollMs })],
  ["Redis", ["nextTick"], () => new RedisTaskStore({ url, keyPrefix, fallbackPollMs })],
])("%s", (_, doNotFake, open) => {
  const fake = () => jest.useFakeTimers(doNotFake && { doNotFake });

  test.each(["before", "after"])("answers, and ends waits: the store was made %s", async (when) => {
    if (when === "after") fake();
    const store = open();
    if (when === "before") fake();
    const { taskId } = await store.createTask({ ttl: 60_000 }, 1, REQUEST);
    const waiting = store.waitForResult(taskId);
    await store.updateTask(taskId, { statusMessage: "half-way" });
    await store.storeTaskResult(taskId, "completed", { done: true });
    expect(await waiting).toEqual({ done: true });
    await store.close();
  });

  if (doNotFake) return; // A database has its own clock.
  test.each(["before", "after"])("goes by the clock that the test moves: the store was made %s", async (when) => {
    if (when === "after") fake();
    const store = open();
    if (when === "before") fake();
    const { taskId } = await store.createTask({ ttl: 60_000 }, 1, REQUEST);
    const late = expect(store.waitForTask(taskId, { timeoutMs: 30_000 })).rejects.toThrow("timeout");
    await jest.advanceTimersByTimeAsync(30_000);
    await late;
    const expired = expect(store.waitForTask(taskId)).rejects.toMatchObject({ code: "TASK_EXPIRED" });
    expect(await store.getTask(taskId)).not.toBeNull();
    await jest.advanceTimersByTimeAsync(30_001);
    expect(await store.getTask(taskId)).toBeNull();
    await expired;
    await store.close();
  });
});
