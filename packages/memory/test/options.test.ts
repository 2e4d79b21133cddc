import { isTaskStoreError, MemoryStorage, MemoryTaskStore } from "@mcp-task-store/memory";
import { expect, test } from "vitest";

test.each<[what: string, options: object, says: RegExp]>([
  [
    "a misspelt option",
    { storrage: new MemoryStorage() },
    /MemoryTaskStore does not know "storrage": did you mean "storage"/,
  ],
  ["a storage of another kind", { storage: new Map() }, /storage must be a MemoryStorage/],
  ["a bare function as clock", { clock: Date.now }, /clock must be an object with now\(\)/],
  [
    "a clock beside a storage, which has one",
    { clock: Date, storage: new MemoryStorage() },
    /clock has no effect beside storage/,
  ],
  ["a wrong option of every store", { limits: { ttl: 60_000 } }, /limits\.ttl must be an object/],
])("a memory store refuses %s", (_, options, says) => {
  let thrown: unknown;
  try {
    new MemoryTaskStore(options);
  } catch (error) {
    thrown = error;
  }
  expect(isTaskStoreError(thrown, "INVALID_ARGUMENT")).toBe(true);
  expect((thrown as Error).message).toMatch(says);
});

test("a storage refuses a plain function as clock", () => {
  expect(() => new MemoryStorage({ clock: Date.now } as never)).toThrow(/clock must be an object with now\(\)/);
});

test("a memory store takes a clock like an SQLite store", async () => {
  let now = Date.parse("2026-01-01T00:00:00Z");
  const store = new MemoryTaskStore({ clock: { now: () => now } });
  const { taskId, createdAt } = await store.createTask({ ttl: 1000 }, 1, { method: "tools/call" });
  expect(createdAt).toBe("2026-01-01T00:00:00.000Z");
  now += 1000;
  expect(await store.getTask(taskId)).toBeNull();
  await store.close();
});
