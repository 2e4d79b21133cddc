// Keys of owners, keys that are forgotten and keys that cannot be had, on every store.

import { ANY_OWNER, aesGcm, type PayloadCodec, type TaskStore, type TaskStoreError } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { code } from "../fixtures/errors.ts";
import { stores } from "../fixtures/stores.ts";
import { rawBackend } from "./dump.ts";
import { readEveryPayload, writeEveryPayload } from "./every-payload.ts";

/** Keys of owners, which can be forgotten. */
class OwnerKeys {
  readonly #keys = new Map<string | undefined, Uint8Array>();
  readonly #forgotten = new Set<string | undefined>();
  failing = false;

  readonly codec: PayloadCodec = {
    encrypt: aesGcm({
      current: "v1",
      keys: async (_, { owner }) => {
        if (this.failing) throw new Error("The service of keys does not answer");
        if (this.#forgotten.has(owner)) return undefined;
        const key = this.#keys.get(owner) ?? crypto.getRandomValues(new Uint8Array(32));
        this.#keys.set(owner, key);
        return key;
      },
    }),
  };

  forget(owner: string): void {
    this.#forgotten.add(owner);
  }
}

const ANYONE = { owner: ANY_OWNER } as const;

const idsOf = async (store: TaskStore) => (await store.listTasks()).tasks.map(({ taskId }) => taskId);

describe.each(stores)("$name", ({ usePlaces }) => {
  const newPlace = usePlaces();

  test("each owner's payloads are under that owner's key, whoever writes them", async () => {
    await using place = await newPlace();
    const keys = new OwnerKeys();
    const [one, two] = [place.open({ codec: keys.codec }), place.open({ codec: keys.codec })];
    const ids = await writeEveryPayload(one, "ada");
    // This store has not seen the tasks, and is not told their owner.
    const late = await one.createTask({ name: "bake", owner: "ada" });
    await two.updateTask(late.taskId, { statusMessage: "rising" }, ANYONE);
    await two.messages.enqueue(late.taskId, {
      type: "notification",
      message: { jsonrpc: "2.0", method: "x" },
      timestamp: 1,
    });
    const raw = await rawBackend(place);
    for (const { request, checkpoint, statusMessage, outcome } of await raw.readMany([...ids, late.taskId], FIELDS))
      for (const text of [request, checkpoint, statusMessage, outcome])
        if (text != null) expect(text).toMatch(/^~aes-gcm\|v1\|=ada\|/);
    const [message] = (await raw.messagesOf?.([late.taskId])) ?? [];
    expect(message?.message).toMatch(/^~aes-gcm\|v1\|=ada\|/);
    expect((await readEveryPayload(two, ids)).records).toEqual((await readEveryPayload(one, ids)).records);
    expect(await two.messages.dequeue(late.taskId)).toMatchObject({ message: { method: "x" } });
  });

  test("a forgotten key ends the owner's payloads alone", async () => {
    await using place = await newPlace();
    const keys = new OwnerKeys();
    const failures: TaskStoreError[] = [];
    const store = place.open({ codec: keys.codec, claimAfterMs: 0, onError: (error) => failures.push(error) });
    const [gone] = await writeEveryPayload(store, "ada");
    const waiting = await store.createTask({ name: "bake", owner: "ada", ttl: 60_000 });
    const kept = await store.createTask({ name: "bake", owner: "bob", arguments: { n: 1 } });
    await store.updateTask(waiting.taskId, { statusMessage: "rising" }, ANYONE);
    keys.forget("ada");

    await expect(store.getTaskResult(gone)).rejects.toEqual(code("PAYLOAD_UNREADABLE"));
    await expect(store.createTask({ name: "bake", owner: "ada" })).rejects.toEqual(code("PAYLOAD_UNREADABLE"));
    expect(await store.messages.dequeue(gone)).toBeUndefined();
    expect(await idsOf(store)).toContain(waiting.taskId);
    expect((await store.operations.stats()).counts.completed).toBe(1);
    const found = await store.operations.listRecords({ where: { payload: { arguments: { n: 1 } } } });
    expect(found.records.map(({ task }) => task.taskId)).toEqual([kept.taskId]);

    // A worker gets the task that can be read, although another one came first.
    const claimed = await store.claimTask({ names: ["bake"] });
    expect(claimed?.record.task.taskId).toBe(kept.taskId);
    expect(claimed?.record.request.params?.["arguments"]).toEqual({ n: 1 });
    expect(failures.map(({ code, taskId }) => [code, taskId])).toContainEqual(["PAYLOAD_UNREADABLE", waiting.taskId]);

    const cancelled = await store.cancelTask(waiting.taskId, ANYONE);
    expect(cancelled.task).toMatchObject({ status: "cancelled", statusMessage: "(This text cannot be read here.)" });
    expect(await store.operations.removeTasks({ id: gone })).toMatchObject({ done: 1 });
    await place.skip(120_000);
    expect(await store.getTask(waiting.taskId)).toBeNull();
    await store.deleteExpired();
    expect(await idsOf(store)).not.toContain(waiting.taskId);
  });

  test("a task whose payloads cannot be read expires, although workers claim it", async () => {
    await using place = await newPlace();
    const keys = new OwnerKeys();
    const store = place.open({ codec: keys.codec, claimAfterMs: 0, onError: () => undefined });
    const { taskId } = await store.createTask({ name: "bake", owner: "ada", ttl: 100_000 });
    keys.forget("ada");
    for (let round = 0; round < 3; round += 1) {
      expect(await store.claimTask({ names: ["bake"], leaseMs: 30_000 })).toBeNull();
      await place.skip(40_000);
    }
    expect(await store.getTask(taskId)).toBeNull();
  });

  test("a key that cannot be had now fails the call, and nothing is written", async () => {
    await using place = await newPlace();
    const keys = new OwnerKeys();
    const store = place.open({ codec: keys.codec });
    const { taskId } = await store.createTask({ name: "bake", owner: "ada" });
    keys.failing = true;
    const unavailable = expect.objectContaining({ code: "BACKEND_UNAVAILABLE", write: "not-applied" });
    await expect(store.createTask({ name: "bake", owner: "ada" })).rejects.toEqual(unavailable);
    const result = { content: [] };
    await expect(store.finishTask(taskId, { status: "completed", result }, ANYONE)).rejects.toEqual(unavailable);
    await expect(store.getRecord(taskId, ANYONE)).rejects.toEqual(code("BACKEND_UNAVAILABLE"));
    keys.failing = false;
    await store.finishTask(taskId, { status: "completed", result }, ANYONE);
    expect(await store.getTaskResult(taskId)).toEqual(result);
    expect(await idsOf(store)).toEqual([taskId]);
  });

  test("an id that a task of another owner has taken since gets that owner's key", async () => {
    await using place = await newPlace();
    const keys = new OwnerKeys();
    const [one, two] = [place.open({ codec: keys.codec }), place.open({ codec: keys.codec })];
    await one.createTask({ name: "bake", owner: "ada", taskId: "the-id", ttl: 1000 });
    await place.skip(2000);
    await two.deleteExpired();
    await two.createTask({ name: "bake", owner: "bob", taskId: "the-id" });
    await one.updateTask("the-id", { statusMessage: "rising" }, ANYONE);
    expect((await (await rawBackend(place)).read("the-id", null, []))?.statusMessage).toContain("|=bob|");
    expect(await two.getTask("the-id")).toMatchObject({ statusMessage: "rising" });
  });

  test("writes that are not awaited keep their order", async () => {
    await using place = await newPlace();
    const keys = new OwnerKeys();
    const store = place.open({ codec: keys.codec });
    const { taskId } = await store.createTask({ name: "bake" });
    for (let round = 0; round < 10; round += 1) {
      // The first takes longer to encrypt.
      const first = store.updateTask(taskId, { statusMessage: "first", checkpoint: "x".repeat(1_000_000) });
      const last = store.updateTask(taskId, { statusMessage: `last ${round}`, checkpoint: round });
      await Promise.all([first, last]);
      expect(await store.getRecord(taskId, { fields: ["checkpoint"] })).toMatchObject({
        task: { statusMessage: `last ${round}` },
        checkpoint: round,
      });
    }
  });
});

const FIELDS = ["request", "checkpoint", "outcome"] as const;
