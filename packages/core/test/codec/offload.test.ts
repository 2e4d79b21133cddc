import { type ObjectStorage, type Request, runTask, type TaskStore } from "@mcp-task-store/core";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { code } from "../../../../tooling/test/fixtures/errors.ts";
import { rejection } from "../../../../tooling/test/fixtures/events.ts";
import { stores } from "../../../../tooling/test/fixtures/stores.ts";
import { ABOVE_BYTES, large, useObjects } from "./support/objects.ts";

function requestOf(word: string): Request {
  return { method: "tools/call", params: { name: "work", arguments: { text: large(word) } } };
}

function resultOf(word: string) {
  return { content: [{ type: "text", text: large(word) }] };
}

async function newTask(store: TaskStore, word: string, ttl: number | null = null): Promise<string> {
  return (await store.createTask({ ttl }, 1, requestOf(word))).taskId;
}

/** The text that the backend keeps for the request of a task. */
async function storedRequest(objects: ReturnType<typeof useObjects>, taskId: string): Promise<string | undefined> {
  const backend = objects.place.openBackend();
  await backend.open({ report: () => undefined });
  const task = await backend.read(taskId, null, ["request"]);
  await backend.close();
  return task?.request;
}

describe.each(stores)("offload over $name", (kind) => {
  const objects = useObjects(kind);
  const keyOf = (file: string) => file.slice(objects.folder.length + 1).replaceAll("\\", "/");

  test("large payloads of every kind leave the database, and other handles read them", async () => {
    const { store, other } = objects;
    const taskId = await newTask(store, "request");
    expect(objects.files()).toHaveLength(1);
    const { stored } = await runTask(store, taskId, async (task) => {
      await task.progress("started", { text: large("checkpoint") });
      await task.step("step", () => large("step"));
      return resultOf("result");
    });
    expect(stored).toBe(true);
    expect(await other.getTaskResult(taskId)).toEqual(resultOf("result"));
    const record = await other.getRecord(taskId);
    expect(record?.request).toEqual(requestOf("request"));
    expect(record?.checkpoint).toEqual({ text: large("checkpoint") });
    expect(objects.files()).toHaveLength(4);
    expect((await storedRequest(objects, taskId))?.length).toBeLessThan(ABOVE_BYTES);
    for (const word of ["request", "checkpoint", "step", "result"])
      expect(objects.contents().filter((bytes) => bytes.includes(`${word} ${word}`))).toHaveLength(1);
  });

  test("small payloads stay in the database", async () => {
    const { store } = objects;
    const { taskId } = await store.createTask({ name: "work", arguments: { text: "x".repeat(100) } });
    await store.storeTaskResult(taskId, "completed", { content: [] });
    expect(objects.files()).toEqual([]);
  });

  test("a payload ends with its task when it is removed", async () => {
    const { store } = objects;
    const [gone, kept] = [await newTask(store, "one"), await newTask(store, "two")];
    await store.storeTaskResult(gone, "completed", resultOf("result"));
    expect(objects.files()).toHaveLength(3);
    const remover = objects.open();
    expect(await remover.operations.removeTasks({ id: [gone, kept] })).toMatchObject({
      done: 1,
      skipped: { active: 1 },
    });
    await remover.close();
    expect(objects.contents().map((bytes) => bytes.includes("two"))).toEqual([true]);
    expect((await store.getRecord(kept))?.request).toEqual(requestOf("two"));
  });

  test("a payload that is replaced ends, also one of another process", async () => {
    const { other } = objects;
    const first = objects.open();
    const taskId = await newTask(first, "request");
    const lease = await first.acquireLease(taskId, { leaseMs: 60_000 });
    for (let number = 0; number < 5; number += 1)
      await first.updateTask(taskId, { checkpoint: { text: large(`checkpoint ${number}`) } }, { lease: lease });
    await first.releaseLease(lease);
    await first.close();
    expect(objects.files()).toHaveLength(2);
    const second = objects.open();
    const next = await second.acquireLease(taskId, { leaseMs: 60_000 });
    await second.getRecord(taskId);
    await second.updateTask(taskId, { checkpoint: { text: large("last") } }, { lease: next });
    expect((await other.getRecord(taskId))?.checkpoint).toEqual({ text: large("last") });
    await second.updateTask(taskId, { checkpoint: { text: "small" } }, { lease: next });
    await second.close();
    expect(objects.files()).toHaveLength(1);
    expect((await other.getRecord(taskId))?.checkpoint).toEqual({ text: "small" });
  });

  test("checkpoints that are not awaited leave the last one", async () => {
    const { other } = objects;
    const store = objects.open();
    const taskId = await newTask(store, "request");
    const lease = await store.acquireLease(taskId, { leaseMs: 60_000 });
    const saved = Array.from({ length: 20 }, (_, number) =>
      store.updateTask(taskId, { checkpoint: { text: large(`checkpoint ${number}`) } }, { lease: lease }),
    );
    await Promise.all(saved);
    await store.close();
    const record = await other.getRecord(taskId);
    expect(record?.checkpoint).toEqual({ text: large("checkpoint 19") });
    objects.age();
    await objects.sweep();
    expect(objects.files()).toHaveLength(2);
    expect((await other.getRecord(taskId))?.checkpoint).toEqual(record?.checkpoint);
  });

  test("a write that is refused leaves no object", async () => {
    const store = objects.open();
    const taskId = await newTask(store, "request");
    const lease = await store.acquireLease(taskId, { leaseMs: 60_000 });
    await store.releaseLease(lease);
    expect(await rejection(store.createTask({ taskId }, 1, requestOf("other")))).toEqual(code("TASK_EXISTS"));
    expect(
      await rejection(store.updateTask(taskId, { checkpoint: { text: large("checkpoint") } }, { lease: lease })),
    ).toEqual(code("LEASE_LOST"));
    await store.cancelTask(taskId);
    expect(await rejection(store.storeTaskResult(taskId, "completed", resultOf("late")))).toEqual(
      code("TASK_TERMINAL"),
    );
    await store.close();
    expect(objects.contents().map((bytes) => bytes.includes("request"))).toEqual([true]);
  });

  test("a sweep deletes the objects of expired tasks, and no others", async () => {
    const { store, other, place } = objects;
    const [expires, stays] = [await newTask(store, "expires", 1000), await newTask(store, "stays")];
    await store.storeTaskResult(stays, "completed", resultOf("result"));
    objects.age();
    for (const handle of [store, other]) await handle.deleteExpired();
    expect(objects.files()).toHaveLength(3);
    await place.skip(2000);
    expect(await other.getRecord(expires)).toBeNull();
    await objects.sweep();
    expect(objects.files()).toHaveLength(2);
    expect(await other.getTaskResult(stays)).toEqual(resultOf("result"));
    expect((await other.getRecord(stays))?.request).toEqual(requestOf("stays"));
  });

  test("a sweep leaves objects alone whose task may be about to be written", async () => {
    const { store, storage } = objects;
    const taskId = await newTask(store, "request");
    const [path = ""] = objects.files();
    const beside = keyOf(path).replace(/.{4}$/, "zzzz");
    await storage.put(beside, Buffer.from("not referred to yet"));
    await objects.sweep();
    expect(await storage.get(beside)).toBeDefined();
    objects.age();
    await objects.sweep();
    expect(await storage.get(beside)).toBeUndefined();
    expect((await store.getRecord(taskId))?.request).toEqual(requestOf("request"));
  });

  test.each([
    ["ahead", 86_400_000],
    ["behind", -86_400_000],
  ])("a sweep on a host whose clock is a day %s counts by the clock of the storage", async (_, difference) => {
    const taskId = await newTask(objects.store, "request");
    const [path = ""] = objects.files();
    const beside = keyOf(path).replace(/.{4}$/, "zzzz");
    await objects.storage.put(beside, Buffer.from("not referred to"));
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + difference });
    onTestFinished(() => void vi.useRealTimers());
    await objects.sweep();
    expect(objects.files()).toHaveLength(2);
    vi.useRealTimers();
    objects.age();
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + difference });
    await objects.sweep();
    expect(objects.files()).toEqual([path]);
    vi.useRealTimers();
    expect((await objects.other.getRecord(taskId))?.request).toEqual(requestOf("request"));
  });

  test("a sweep takes a bounded number of pages, and goes on from there", async () => {
    const { storage } = objects;
    const taskId = await newTask(objects.store, "request");
    let lists = 0;
    const paged: ObjectStorage = {
      ...storage,
      list(query) {
        lists += 1;
        return storage.list({ ...query, limit: 2 });
      },
    };
    const [key = ""] = objects.files().map(keyOf);
    for (let number = 0; number < 50; number += 1)
      await storage.put(key.replace(/.{4}$/, `z${100 + number}`), Buffer.from("not referred to"));
    objects.age();
    const store = objects.open(paged);
    for (let sweep = 1; objects.files().length > 1; sweep += 1) {
      await store.deleteExpired();
      expect(lists).toBeLessThanOrEqual(10 * sweep);
      expect(sweep).toBeLessThan(10);
    }
    expect((await store.getRecord(taskId))?.request).toEqual(requestOf("request"));
    lists = 0;
    // With nothing to delete it looks at one page, or at the last one and the first.
    await store.deleteExpired();
    expect(lists).toBeLessThanOrEqual(2);
  });

  test("a store that closes during a sweep reports no failure", async () => {
    await newTask(objects.store, "request");
    objects.age();
    const { promise: listing, resolve: listed } = Promise.withResolvers<void>();
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const slow: ObjectStorage = {
      ...objects.storage,
      async list(query) {
        listed();
        await gate;
        return objects.storage.list(query);
      },
    };
    // The place fails for a store that reports a failure.
    const store = objects.open(slow);
    const sweep = store.deleteExpired();
    await listing;
    await store.close();
    open();
    await sweep.catch(() => undefined);
    expect(objects.files()).toHaveLength(1);
  });

  test("ids of every kind keep their payloads, and long ones in the database", async () => {
    const { store, other } = objects;
    const ids = ["A", "a", "con", "CON.txt", "_41", "..", "../x", "ä/ß 漢", "~", "x".repeat(160), "nul"];
    const long = ["X".repeat(512), "漢".repeat(100)];
    for (const taskId of [...ids, ...long]) await store.createTask({ taskId }, 1, requestOf(`task ${taskId}`));
    expect(objects.files()).toHaveLength(ids.length);
    objects.age();
    await objects.sweep();
    for (const taskId of [...ids, ...long])
      expect((await other.getRecord(taskId))?.request).toEqual(requestOf(`task ${taskId}`));
    await store.operations.cancelTasks({ status: "working" });
    await objects.sweep();
    expect(objects.files()).toHaveLength(ids.length);
  });

  test.each([
    ["deleted", () => undefined],
    ["cut off", (bytes: Buffer) => bytes.subarray(0, 100)],
    ["empty", () => Buffer.alloc(0)],
    [
      "changed by a bit",
      (bytes: Buffer) => Buffer.concat([Buffer.from([(bytes[0] as number) ^ 1]), bytes.subarray(1)]),
    ],
  ])("an object that is %s fails the reads that need it, and no others", async (_, change) => {
    const { other, place, storage } = objects;
    const taskId = await newTask(objects.store, "request");
    const store = objects.open();
    await store.storeTaskResult(taskId, "completed", { content: [] });
    if (change(Buffer.alloc(1)) === undefined) for (const file of objects.files()) await storage.delete(keyOf(file));
    else objects.rewrite(change as (bytes: Buffer) => Buffer);
    const error = await rejection(other.getRecord(taskId, { fields: ["request"] }));
    expect(error).toEqual(code("PAYLOAD_UNREADABLE"));
    expect((error as Error).message).not.toContain(objects.folder);
    expect((await other.getTask(taskId))?.status).toBe("completed");
    expect(await other.getTaskResult(taskId)).toEqual({ content: [] });
    const { records } = await other.operations.listRecords({ fields: ["request", "result"] });
    expect(records).toMatchObject([{ task: { taskId }, unreadable: ["request"], result: { content: [] } }]);
    expect(await other.operations.removeTasks({ id: taskId })).toMatchObject({ done: 1 });
    expect(await place.open().getTask(taskId)).toBeNull();
  });

  test("a reference is of use at its own task alone", async () => {
    const { store, other, place } = objects;
    const [from, to] = [await newTask(store, "secret"), await newTask(store, "other")];
    const backend = place.openBackend();
    await backend.open({ report: () => undefined });
    const { request = "" } = (await backend.read(from, null, ["request"])) ?? {};
    await backend.update(to, { scope: null }, { checkpoint: request });
    await backend.close();
    expect(await rejection(other.getRecord(to, { fields: ["checkpoint"] }))).toEqual(code("PAYLOAD_UNREADABLE"));
  });

  test("a store without the storage shows the task, and not the payload", async () => {
    const { store, place } = objects;
    const taskId = await newTask(store, "request");
    const without = place.open();
    expect((await without.getTask(taskId))?.status).toBe("working");
    expect(await rejection(without.getRecord(taskId))).toEqual(code("PAYLOAD_UNREADABLE"));
  });

  test("a payload that is replaced while it is read is read anew", async () => {
    const { storage } = objects;
    const writer = objects.open();
    const taskId = await newTask(writer, "request");
    const lease = await writer.acquireLease(taskId, { leaseMs: 60_000 });
    await writer.updateTask(taskId, { checkpoint: { text: large("old") } }, { lease: lease });
    let reads = 0;
    // Between the row and the object, another process replaces the payload.
    const slow: ObjectStorage = {
      ...storage,
      async get(key) {
        reads += 1;
        if (reads === 1) {
          await writer.updateTask(taskId, { checkpoint: { text: large("new") } }, { lease: lease });
          await writer.close();
        }
        return storage.get(key);
      },
    };
    const record = await objects.open(slow).getRecord(taskId, { fields: ["checkpoint"] });
    expect(record?.checkpoint).toEqual({ text: large("new") });
    expect(reads).toBe(2);
  });

  /** A storage that writes nothing until it is opened. */
  function gated(): { slow: ObjectStorage; open: () => void } {
    const { storage } = objects;
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const put: ObjectStorage["put"] = (key, bytes) => gate.then(() => storage.put(key, bytes));
    return { slow: { ...storage, put }, open };
  }

  test("a heartbeat does not wait for a checkpoint that is on its way to the storage", async () => {
    const taskId = await newTask(objects.store, "request");
    const { slow, open } = gated();
    const store = objects.open(slow);
    const lease = await store.acquireLease(taskId, { leaseMs: 60_000 });
    const saved = store.updateTask(taskId, { checkpoint: { text: large("checkpoint") } }, { lease });
    await store.renewLease(lease);
    open();
    await saved;
    expect((await store.getRecord(taskId))?.checkpoint).toEqual({ text: large("checkpoint") });
  });

  test("a storage that is away fails calls for a time, and loses no task", async () => {
    const { store, storage } = objects;
    const taskId = (await store.createTask({ claimAfterMs: 0 }, 1, requestOf("request"))).taskId;
    let away = true;
    const meet = <T>(run: () => Promise<T>) => (away ? Promise.reject(new Error("away")) : run());
    const failing: ObjectStorage = {
      ...storage,
      get: (key) => meet(() => storage.get(key)),
      put: (key, bytes) => meet(() => storage.put(key, bytes)),
    };
    const behind = objects.open(failing);
    const outage = expect.objectContaining({ code: "BACKEND_UNAVAILABLE", write: "not-applied" });
    expect(await rejection(behind.createTask({}, 1, requestOf("other")))).toEqual(outage);
    expect(await rejection(behind.getRecord(taskId))).toEqual(outage);
    expect(await rejection(behind.claimTask({ names: ["work"] }))).toEqual(outage);
    away = false;
    // The claim gave the task back, so that no lease has to lapse, and no attempt counts.
    expect(await behind.claimTask({ names: ["work"] })).toBeNull();
    await objects.place.skip(1000);
    const claimed = await behind.claimTask({ names: ["work"] });
    expect(claimed?.record).toMatchObject({ task: { taskId }, attempt: 1, request: requestOf("request") });
  });
});

describe.each(stores.slice(0, 2))("offload beside encryption over $name", (kind) => {
  const objects = useObjects(kind, true);

  test("what leaves the database is encrypted, and bound to its place", async () => {
    const { store, other } = objects;
    const [one, two] = [await newTask(store, "secret"), await newTask(store, "other")];
    expect(objects.contents().some((bytes) => bytes.includes("secret"))).toBe(false);
    expect((await other.getRecord(one))?.request).toEqual(requestOf("secret"));
    expect(await storedRequest(objects, two)).not.toContain("other");
  });
});
