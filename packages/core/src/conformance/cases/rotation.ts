import assert from "node:assert/strict";
import { aesGcm } from "../../codec/aes-gcm.ts";
import type { PayloadCodec } from "../../contract/codec.ts";
import type { QueuedMessage } from "../../contract/messages.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import { exported, heldTask, idOf, ifSupported, LONG, message, newTask, QUESTION, range } from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";

const KEYS: Readonly<Record<string, Uint8Array>> = {
  old: new Uint8Array(32).fill(1),
  new: new Uint8Array(32).fill(2),
  other: new Uint8Array(32).fill(3),
};

/**
 * A codec that has these keys and encrypts by the last one.
 * @param before Called before a payload is encrypted, with its field.
 */
function codecOf(ids: readonly string[], before?: (field: string) => Promise<void> | undefined): PayloadCodec {
  const keys = Object.fromEntries(ids.map((id) => [id, KEYS[id] as Uint8Array]));
  const stage = aesGcm({ keys, current: ids.at(-1) as string });
  if (!before) return { encrypt: stage };
  return {
    encrypt: {
      ...stage,
      async encode(bytes, place) {
        await before(place.field);
        return stage.encode(bytes, place);
      },
    },
  };
}

/** A held task with a payload in each field that a running task has, and with messages. */
async function heldTaskOf(store: TaskStore, value: unknown, messages: readonly number[]) {
  const lease = await heldTask(store, { ttl: LONG, context: { value } });
  const { taskId } = lease;
  await store.requestInputs(taskId, { fine: QUESTION, coarse: QUESTION }, { lease });
  await store.provideInputs(taskId, { coarse: value });
  await store.updateTask(taskId, { statusMessage: "first", checkpoint: value }, { lease });
  await ifSupported(store.updateTask(taskId, { step: { name: "sow", result: value } }, { lease }));
  for (const id of messages) await store.messages.enqueue(taskId, message(id));
  return lease;
}

export const rotationCases = [
  defineCase(
    "rotation/every-payload",
    "A rotation encrypts every payload by the present key, and leaves times, revisions, leases and queues as they were.",
    async (scene) => {
      const writer = scene.open({ codec: codecOf(["old"]) });
      const { taskId } = await heldTaskOf(writer, { small: [1, null] }, [1, 2, 1]);
      await heldTaskOf(writer, "large".repeat(2000), [3]);
      const failed = await newTask(writer);
      const error = { code: -32001, message: "No flour", data: ["x".repeat(5000)] };
      await writer.finishTask(failed, { status: "failed", error, statusMessage: "No flour" });
      const lost = await heldTask(writer, { ttl: LONG });
      await writer.releaseLease(lost, { error: 'The "mill" stands still' });
      // More tasks than one step looks at.
      for (const _ of range(25)) await newTask(writer);

      const rotating = scene.open({ codec: codecOf(["old", "new"]) });
      const before = await exported(rotating);
      const dry = await ifSupported(rotating.operations.rotatePayloads({ dryRun: true }));
      if (!dry) return;
      const { tasks, rotated, ...rest } = dry.value;
      assert.deepEqual(rest, { current: 0, unreadable: 0, reasons: [], changed: 0, events: 0 });
      assert.equal(tasks, before.length, "The rotation has not looked at every task");

      // Without the old key, nothing can be rotated, and nothing is lost.
      const stranger = await scene.open({ codec: codecOf(["other"]) }).operations.rotatePayloads();
      assert.deepEqual(
        { rotated: stranger.rotated, unreadable: stranger.unreadable },
        { rotated: 0, unreadable: rotated },
      );

      assert.deepEqual(await rotating.operations.rotatePayloads(), dry.value);
      assert.deepEqual(await rotating.operations.rotatePayloads(), { ...dry.value, current: rotated, rotated: 0 });
      const reader = scene.open({ codec: codecOf(["new"]) });
      assert.deepEqual(await exported(reader), before);
      const queued = await reader.messages.dequeueAll(taskId);
      assert.deepEqual(queued.map(idOf), [1, 2, 1]);
    },
  ),

  defineCase(
    "rotation/half-done",
    "A rotation that finds a part of a queue rotated leaves the messages in their order.",
    async (scene) => {
      const [writer, rotating] = [
        scene.open({ codec: codecOf(["old"]) }),
        scene.open({ codec: codecOf(["old", "new"]) }),
      ];
      const taskId = await newTask(writer);
      const large = (id: number) => message(id, "x".repeat(1000));
      for (const id of range(8)) await writer.messages.enqueue(taskId, large(id));
      for (const id of range(8)) await rotating.messages.enqueue(taskId, large(8 + id));
      if (!(await ifSupported(rotating.operations.rotatePayloads()))) return;
      const reader = scene.open({ codec: codecOf(["new"]) });
      const [task] = await exported(reader);
      assert.deepEqual(
        task?.messages.map((each) => idOf(each.message as QueuedMessage)),
        range(16),
      );
      const first = await reader.messages.dequeue(taskId);
      const others = await reader.messages.dequeueAll(taskId);
      assert.deepEqual([idOf(first), ...others.map(idOf)], range(16));
    },
  ),

  defineCase(
    "rotation/in-use",
    "A rotation undoes no write that comes between its look at a payload and its own write, and encrypts what it wrote.",
    async (scene) => {
      const writer = scene.open({ codec: codecOf(["old"]) });
      const lease = await heldTaskOf(writer, 1, [1, 2]);
      const { taskId } = lease;
      const writes: Record<string, (() => Promise<unknown>) | undefined> = {
        statusMessage: () => writer.updateTask(taskId, { statusMessage: "second" }, { lease }),
        checkpoint: () => writer.updateTask(taskId, { checkpoint: 2 }, { lease }),
        inputs: () => writer.provideInputs(taskId, { fine: 2 }),
        "step:sow": () => writer.updateTask(taskId, { step: { name: "sow", result: 2 } }, { lease }),
        message: async () => assert.equal(idOf(await writer.messages.dequeue(taskId)), 1),
      };
      const written: string[] = [];
      const codec = codecOf(["old", "new"], async (field) => {
        const write = writes[field];
        writes[field] = undefined;
        if (!write) return;
        written.push(field);
        await write();
      });
      const outcome = await ifSupported(scene.open({ codec }).operations.rotatePayloads());
      if (!outcome) return;
      assert(written.length >= 4, `The rotation has encrypted ${written} alone`);
      assert.deepEqual([outcome.value.unreadable, outcome.value.changed], [0, 0]);

      const reader = scene.open({ codec: codecOf(["new"]) });
      const record = await reader.getRecord(taskId);
      assert.deepEqual([record?.task.statusMessage, record?.checkpoint], ["second", 2]);
      assert.deepEqual(record?.inputRequests, {}, "An answer is gone");
      const [task] = await exported(reader);
      for (const step of task?.steps ?? []) assert.deepEqual(step, { name: "sow", body: { result: 2 } });
      assert.deepEqual((await reader.messages.dequeueAll(taskId)).map(idOf), [2]);
    },
  ),
];
