import { MemoryTaskStore } from "@mcp-task-store/memory";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import { afterEach, describe, expect, test, vi } from "vitest";
import { code } from "./fixtures/errors.ts";
import { useHandles } from "./fixtures/handles.ts";
import { stores } from "./fixtures/stores.ts";

// All of vitest's default fakes, and those of Jest that vitest supports.
const fakeTimers = () =>
  vi.useFakeTimers({
    toFake: [
      "setTimeout",
      "clearTimeout",
      "setInterval",
      "clearInterval",
      "setImmediate",
      "clearImmediate",
      "Date",
      "performance",
      "queueMicrotask",
    ],
  });
afterEach(() => {
  vi.useRealTimers();
});
const REQUEST = { method: "tools/call", params: { name: "work" } };

describe.each(stores)("under the fake timers of a test runner, over $name", (kind) => {
  const handles = useHandles(kind);

  test("every call gets its answer, and a wait ends with its change", async () => {
    fakeTimers();
    const { store, other } = handles;
    const { taskId } = await store.createTask({ ttl: 60_000 }, 1, REQUEST);
    const waiting = store.waitForResult(taskId);
    await other.updateTask(taskId, { statusMessage: "half-way" });
    await other.storeTaskResult(taskId, "completed", { done: true });
    expect(await waiting).toEqual({ done: true });
    expect(await store.getTask(taskId)).toMatchObject({ status: "completed", statusMessage: "half-way" });
  });
});

describe.each([
  ["memory", () => new MemoryTaskStore({ fallbackPollMs: 600_000 })],
  ["SQLite", () => new SqliteTaskStore({ path: ":memory:", fallbackPollMs: 600_000 })],
] as const)("a clock that the test moves, over %s", (_, open) => {
  test.each(["before", "after"])(
    "expires tasks, passes deadlines and ends waits; the store was made %s",
    async (when) => {
      if (when === "after") fakeTimers();
      await using store = open();
      if (when === "before") fakeTimers();
      const { taskId } = await store.createTask({ ttl: 60_000 }, 1, REQUEST);
      const late = expect(store.waitForTask(taskId, { timeoutMs: 30_000 })).rejects.toThrow("timeout");
      const told = Promise.withResolvers<void>();
      await store.subscribe(() => told.resolve(), { taskId });
      await told.promise;
      await vi.advanceTimersByTimeAsync(30_000);
      await late;
      const expired = expect(store.waitForTask(taskId)).rejects.toEqual(code("TASK_EXPIRED"));
      await store.updateTask(taskId, { statusMessage: "on" });
      expect(await store.getTask(taskId)).not.toBeNull();
      await vi.advanceTimersByTimeAsync(30_001);
      expect(await store.getTask(taskId)).toBeNull();
      await expired;
    },
  );
});
