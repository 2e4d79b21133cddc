import assert from "node:assert/strict";
import type { TaskStoreError } from "../../contract/errors.ts";
import type { QueuedMessage } from "../../contract/messages.ts";
import { endedTask, idOf, message, newTask, outcomes, range, refused, winners } from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";

const ids = (messages: readonly (QueuedMessage | undefined)[]) => messages.map(idOf);

export const messageCases = [
  defineCase("messages/fifo", "Messages of a task come out in the order in which they went in.", async (scene) => {
    const { messages } = scene.open();
    assert.equal(await messages.dequeue("t"), undefined);
    for (const n of range(12)) await messages.enqueue("t", message(n));
    assert.deepStrictEqual(await messages.dequeue("t"), message(0));
    assert.equal(idOf(await scene.open().messages.dequeue("t")), 1);
    await messages.enqueue("t", message(12));
    assert.deepStrictEqual(
      ids(await messages.dequeueAll("t")),
      range(11).map((n) => n + 2),
    );
    assert.deepStrictEqual(await messages.dequeueAll("t"), []);
    assert.equal(await messages.dequeue("t"), undefined);
  }),

  defineCase("messages/keyed-by-task-id", "Queues are keyed by task id alone, without the session.", async (scene) => {
    const { messages } = scene.open({ isolation: "strict" });
    await messages.enqueue("one", message(1));
    await messages.enqueue("one", message(2), "ada");
    await messages.enqueue("two", message(3), "ada");
    assert.deepStrictEqual(ids(await messages.dequeueAll("one", "grace")), [1, 2]);
    assert.deepStrictEqual(ids(await messages.dequeueAll("two")), [3]);
  }),

  defineCase(
    "messages/answers-to-others",
    "An answer that claims to be a part of another owner's task is dropped without an error.",
    async (scene) => {
      const store = scene.open({ isolation: "strict" });
      const { taskId } = await store.createTask({ ttl: 60_000 }, 1, { method: "x" }, "ada");
      const response = { type: "response", message: { jsonrpc: "2.0", id: 1, result: {} }, timestamp: 1 } as const;
      const error = {
        type: "error",
        message: { jsonrpc: "2.0", id: 2, error: { code: 1, message: "" } },
        timestamp: 2,
      };
      const answers = [response, error as QueuedMessage & { type: "error" }];
      for (const session of ["grace", undefined])
        for (const answer of answers) await store.messages.enqueue(taskId, answer, session);
      assert.deepStrictEqual(await store.messages.dequeueAll(taskId), []);
      // The owner's own answers, and those to an unknown task, wait as any message does.
      for (const [id, session] of [
        [taskId, "ada"],
        ["nobody", "grace"],
      ] as const) {
        for (const answer of answers) await store.messages.enqueue(id, answer, session);
        assert.deepStrictEqual(await store.messages.dequeueAll(id), answers);
      }
    },
  ),

  defineCase(
    "messages/no-task-needed",
    "Messages are accepted for unknown ids and for tasks that have ended.",
    async (scene) => {
      const store = scene.open();
      const ended = await endedTask(store, "completed");
      for (const taskId of ["nobody", ended]) {
        await store.messages.enqueue(taskId, message(1));
        assert.deepStrictEqual(await store.messages.dequeue(taskId), message(1));
      }
    },
  ),

  defineCase("messages/all-kinds", "Every kind of message comes back deep-equal.", async (scene) => {
    const { messages } = scene.open();
    const all: QueuedMessage[] = [
      message(0),
      { type: "notification", message: { jsonrpc: "2.0", method: "n", params: { "\0": "\ud800" } }, timestamp: 1 },
      { type: "response", message: { jsonrpc: "2.0", id: "r", result: { nested: [{}, [], null] } }, timestamp: 2 },
      { type: "error", message: { jsonrpc: "2.0", id: 0, error: { code: -1, message: "", data: "💾" } }, timestamp: 3 },
    ];
    for (const each of all) await messages.enqueue("t", each);
    assert.deepStrictEqual(await messages.dequeueAll("t"), all);
  }),

  defineCase("messages/calls-keep-their-order", "Un-awaited calls keep their order.", async (scene) => {
    const { messages } = scene.open();
    const enqueued = range(100).map((n) => messages.enqueue("t", message(n)));
    const dequeued = range(40).map(() => messages.dequeue("t"));
    const rest = messages.dequeueAll("t");
    await Promise.all(enqueued);
    assert.deepStrictEqual([...ids(await Promise.all(dequeued)), ...ids(await rest)], range(100));
  }),

  defineCase(
    "messages/max-size",
    "A queue of `maxSize` messages refuses more with QUEUE_FULL until there is room.",
    async (scene) => {
      const { messages } = scene.open();
      for (const n of range(3)) await messages.enqueue("t", message(n), undefined, 3);
      const error = await refused(messages.enqueue("t", message(3), undefined, 3), "QUEUE_FULL");
      assert.equal(error.taskId, "t");
      await messages.enqueue("t", message(4), undefined, 4);
      await messages.dequeue("t");
      await messages.dequeue("t");
      await messages.enqueue("t", message(5), undefined, 3);
      assert.deepStrictEqual(ids(await messages.dequeueAll("t")), [2, 4, 5]);
      await refused(messages.enqueue("t", message(6), undefined, 0), "QUEUE_FULL");
    },
  ),

  defineCase(
    "messages/limit",
    "`limits.messagesPerTask` caps every queue; a smaller `maxSize` of a call wins.",
    async (scene) => {
      const { messages } = scene.open({ limits: { messagesPerTask: 2 } });
      await messages.enqueue("t", message(0));
      await refused(messages.enqueue("t", message(1), undefined, 1), "QUEUE_FULL");
      await messages.enqueue("t", message(1), undefined, 100);
      await refused(messages.enqueue("t", message(2)), "QUEUE_FULL");
      await refused(messages.enqueue("t", message(2), undefined, 100), "QUEUE_FULL");
      await messages.enqueue("other", message(3));
      assert.deepStrictEqual(ids(await messages.dequeueAll("t")), [0, 1]);
    },
  ),

  defineCase(
    "races/enqueue-at-max-size",
    "`enqueue` checks `maxSize` atomically: concurrent calls never exceed it.",
    async (scene) => {
      const queues = [scene.open().messages, scene.open().messages] as const;
      const calls = range(16).map((n) => queues[n % 2 ? 1 : 0].enqueue("t", message(n), undefined, 5));
      assert.equal(winners(await outcomes(calls), "QUEUE_FULL").length, 5);
      assert.equal((await queues[0].dequeueAll("t")).length, 5);
    },
  ),

  defineCase(
    "races/one-receiver",
    "Each message is dequeued by exactly one of several concurrent callers.",
    async (scene) => {
      const queues = [scene.open().messages, scene.open().messages] as const;
      for (const n of range(20)) await queues[0].enqueue("t", message(n));
      const single = range(16).map((n) => queues[n % 2 ? 1 : 0].dequeue("t"));
      const all = queues.map((queue) => queue.dequeueAll("t"));
      const received = ids([...(await Promise.all(single)), ...(await Promise.all(all)).flat()]);
      assert.deepStrictEqual(
        received.filter((id) => id !== undefined).toSorted((a, b) => Number(a) - Number(b)),
        range(20),
      );
    },
  ),

  defineCase(
    "messages/expire-by-themselves",
    "Messages expire after `messageTtlMs`, and then count towards no cap.",
    async (scene) => {
      // Messages that have to remain were queued by a store with a long `messageTtlMs`.
      const [store, brief] = [scene.open(), scene.open({ messageTtlMs: 50 })];
      await brief.messages.enqueue("t", message(1));
      await brief.messages.enqueue("t", message(2));
      await scene.advance(100);
      await store.messages.enqueue("t", message(3), undefined, 1);
      assert.deepStrictEqual(ids(await store.messages.dequeueAll("t")), [3]);
      await brief.messages.enqueue("t", message(4));
      await scene.advance(100);
      await brief.deleteExpired();
      await store.messages.enqueue("t", message(5));
      assert.deepStrictEqual(ids(await brief.messages.dequeueAll("t")), [5]);
      assert.equal(await brief.messages.dequeue("t"), undefined);
      // Before and after one that remains.
      await brief.messages.enqueue("t", message(6));
      await store.messages.enqueue("t", message(7));
      await brief.messages.enqueue("t", message(8));
      await scene.advance(100);
      await store.messages.enqueue("t", message(9), undefined, 2);
      assert.deepStrictEqual(ids(await store.messages.dequeueAll("t")), [7, 9]);
      await store.messages.enqueue("t", message(10));
      await brief.messages.enqueue("t", message(11));
      await scene.advance(100);
      assert.deepStrictEqual(ids(await store.messages.dequeueAll("t")), [10]);
    },
  ),

  defineCase("messages/outlive-the-task", "Messages outlive the task of their id.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store, { ttl: 100 });
    await store.messages.enqueue(taskId, message(1));
    await scene.advance(200);
    await store.deleteExpired();
    assert.deepStrictEqual(await store.messages.dequeueAll(taskId), [message(1)]);
  }),

  defineCase(
    "messages/dequeue-all-never-rejects",
    "`dequeueAll` never rejects: after `close` it returns `[]` and reports no failure.",
    async (scene) => {
      const errors: TaskStoreError[] = [];
      const store = scene.open({ onError: (error) => errors.push(error) });
      await store.messages.enqueue("t", message(1));
      await store.close();
      assert.deepStrictEqual(await store.messages.dequeueAll("t"), []);
      assert.deepStrictEqual(errors, []);
    },
  ),

  defineCase(
    "messages/what-is-no-message",
    "A message that is not JSON, or whose id no store could keep, is refused and not queued.",
    async (scene) => {
      const { messages } = scene.open();
      for (const params of [{ n: 1n }, { n: Number.NaN }])
        await refused(
          messages.enqueue("t", {
            type: "notification",
            message: { jsonrpc: "2.0", method: "n", params },
            timestamp: 1,
          }),
          "INVALID_ARGUMENT",
        );
      await refused(messages.enqueue("a\0b", message(1)), "INVALID_ARGUMENT");
      assert.equal(await messages.dequeue("a\0b"), undefined);
      assert.deepStrictEqual(await messages.dequeueAll("t"), []);
    },
  ),
];
