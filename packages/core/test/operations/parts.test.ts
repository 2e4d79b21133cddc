// Calls of several steps whose database is lost between two of them.

import { aesGcm, copyTasks, type ExportedTask, type TaskStoreOptions } from "@mcp-task-store/core";
import { DurableTaskStore, type TaskBackend, unavailable } from "@mcp-task-store/core/backend";
import { expect, test } from "vitest";
import { MemoryBackend, MemoryStorage } from "../../../../tooling/test/fixtures/stores.ts";

const MANY = 101;
const keys = { one: new Uint8Array(32).fill(1), two: new Uint8Array(32).fill(2) };
const PARTLY = {
  code: "BACKEND_UNAVAILABLE",
  write: "unknown",
  message: /a part of it was done/,
  cause: new Error("gone"),
};

/** A store on a backend that does nothing from the call of this number on. */
function open(storage: MemoryStorage, options: TaskStoreOptions = {}) {
  const failing = { method: "" as keyof TaskBackend | "", calls: 0 };
  const backend = new Proxy(new MemoryBackend(storage), {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (name === failing.method) failing.calls -= 1;
        if (name === failing.method && failing.calls < 0)
          throw unavailable("No database: nothing was changed", new Error("gone"));
        return value.apply(target, args);
      };
    },
  });
  const store = new DurableTaskStore(backend, { sweepIntervalMs: false, ...options });
  return {
    store,
    /** Lets this many calls of the method pass, and fails the others. */
    failAfter: (calls: number, method: keyof TaskBackend) => Object.assign(failing, { calls, method }),
    mend: () => Object.assign(failing, { method: "" }),
  };
}

async function filled(storage: MemoryStorage, options: TaskStoreOptions & { ended?: boolean } = {}): Promise<string[]> {
  const { ended = false, ...rest } = options;
  await using store = open(storage, rest).store;
  const ids: string[] = [];
  for (let index = 0; index < MANY; index += 1) {
    const { taskId } = await store.createTask({ name: "render" });
    if (ended) await store.cancelTask(taskId);
    ids.push(taskId);
  }
  return ids;
}

async function exported(storage: MemoryStorage): Promise<ExportedTask[]> {
  await using store = open(storage).store;
  const tasks: ExportedTask[] = [];
  for await (const task of store.operations.exportTasks()) tasks.push(task);
  return tasks;
}

test("a cancellation of many tasks", async () => {
  const storage = new MemoryStorage();
  await filled(storage);
  const { store, failAfter, mend } = open(storage);
  failAfter(0, "update");
  await expect(store.operations.cancelTasks({})).rejects.toMatchObject({ write: "not-applied" });
  failAfter(3, "update");
  await expect(store.operations.cancelTasks({})).rejects.toMatchObject(PARTLY);
  mend();
  expect(await store.operations.cancelTasks({})).toMatchObject({ done: MANY - 3, skipped: { ended: 3 } });
});

test("a removal of many tasks, also if a read fails", async () => {
  const storage = new MemoryStorage();
  await filled(storage, { ended: true });
  const { store, failAfter, mend } = open(storage);
  failAfter(0, "remove");
  await expect(store.operations.removeTasks({})).rejects.toMatchObject({ write: "not-applied" });
  failAfter(1, "search");
  await expect(store.operations.removeTasks({})).rejects.toMatchObject(PARTLY);
  mend();
  expect(await store.operations.removeTasks({})).toMatchObject({ done: MANY - 100 });
});

test("an import", async () => {
  const from = new MemoryStorage();
  await filled(from);
  const tasks = await exported(from);
  const { store, failAfter, mend } = open(new MemoryStorage());
  failAfter(0, "restore");
  await expect(store.operations.importTasks(tasks)).rejects.toMatchObject({ write: "not-applied" });
  failAfter(1, "restore");
  await expect(store.operations.importTasks(tasks)).rejects.toMatchObject(PARTLY);
  mend();
  expect(await store.operations.importTasks(tasks)).toEqual({ imported: 1, existing: 100 });
});

test("a rotation of keys", async () => {
  const storage = new MemoryStorage();
  await filled(storage, { codec: { encrypt: aesGcm({ keys, current: "one" }) } });
  const { store, failAfter, mend } = open(storage, { codec: { encrypt: aesGcm({ keys, current: "two" }) } });
  failAfter(0, "rewrite");
  await expect(store.operations.rotatePayloads()).rejects.toMatchObject({ write: "not-applied" });
  failAfter(1, "rewrite");
  await expect(store.operations.rotatePayloads()).rejects.toMatchObject(PARTLY);
  mend();
  expect(await store.operations.rotatePayloads()).toMatchObject({ tasks: MANY, changed: 0, unreadable: 0 });
  expect(await store.operations.rotatePayloads()).toMatchObject({ rotated: 0 });
});

test("a sweep", async () => {
  const storage = new MemoryStorage();
  const { store, failAfter, mend } = open(storage);
  for (let index = 0; index < 1001; index += 1) await store.createTask({ name: "render", ttl: 0 });
  failAfter(1, "deleteExpired");
  await expect(store.deleteExpired({ limit: 2000 })).rejects.toMatchObject(PARTLY);
  mend();
  expect(await store.deleteExpired({ limit: 2000 })).toBe(1);
});

test("a copy", async () => {
  const from = new MemoryStorage();
  await filled(from, { ended: true });
  const { store, failAfter, mend } = open(new MemoryStorage());
  failAfter(0, "restore");
  await expect(copyTasks(open(from).store, store)).rejects.toMatchObject({ write: "not-applied" });
  failAfter(1, "restore");
  await expect(copyTasks(open(from).store, store)).rejects.toMatchObject(PARTLY);
  mend();
  expect(await copyTasks(open(from).store, store)).toMatchObject({ copied: MANY - 1, existing: 1 });
});

test("a move whose first store is lost once the task is held gives the task back", async () => {
  const from = new MemoryStorage();
  const [taskId] = await filled(from);
  const { store, failAfter, mend } = open(from);
  // The list of the walk is the first call.
  failAfter(1, "messagesOf");
  const move = copyTasks(store, open(new MemoryStorage()).store, { active: "move", where: { id: taskId } });
  await expect(move).rejects.toMatchObject(PARTLY);
  mend();
  expect((await store.claimTask({ names: ["render"] }))?.lease.taskId).toBe(taskId);
});

test("a move whose second store may have the task keeps it from the runners of the first one", async () => {
  const from = new MemoryStorage();
  const [taskId] = await filled(from);
  const { store } = open(from);
  const second = open(new MemoryStorage()).store;
  const importTasks: typeof second.operations.importTasks = async (tasks) => {
    await second.operations.importTasks(tasks);
    throw unavailable("The answer was lost", undefined, "unknown");
  };
  const losing = new Proxy(second, {
    get: (target, name) => (name === "operations" ? { importTasks } : Reflect.get(target, name, target)),
  });
  const where = { id: taskId };
  await expect(copyTasks(store, losing, { active: "move", where })).rejects.toMatchObject({ write: "unknown" });
  await expect(store.acquireLease(taskId as string)).rejects.toMatchObject({ code: "LEASE_HELD" });
  expect(await copyTasks(store, second, { active: "move", where })).toMatchObject({ moved: 1 });
});

test("messages whose key is out of reach stay in their queue, in order", async () => {
  let reachable = true;
  const owner = "ada";
  const key = async () => {
    if (!reachable) throw new Error("gone");
    return keys.one;
  };
  const encrypt = aesGcm({ keys: key, current: "one" });
  const { store } = open(new MemoryStorage(), { codec: { encrypt }, onError: () => undefined });
  const { taskId } = await store.createTask({ name: "render", owner });
  const message = (method: string) =>
    ({ type: "notification", message: { jsonrpc: "2.0", method }, timestamp: 1 }) as const;
  for (const method of ["first", "second"]) await store.messages.enqueue(taskId, message(method));
  reachable = false;
  await expect(store.messages.dequeue(taskId)).rejects.toMatchObject({ write: "not-applied" });
  expect(await store.messages.dequeueAll(taskId)).toEqual([]);
  reachable = true;
  expect(await store.messages.dequeue(taskId)).toEqual(message("first"));
  expect(await store.messages.dequeueAll(taskId)).toEqual([message("second")]);
});
