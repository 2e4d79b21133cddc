import assert from "node:assert/strict";
import type { TaskStoreErrorCode } from "../../contract/errors.ts";
import {
  assertCode,
  createTask,
  endedTask,
  message,
  newTask,
  outcomes,
  RESULT,
  range,
  recordOf,
} from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";
import { eventsOf } from "./waiting.ts";

export const raceCases = [
  defineCase(
    "races/own-outcomes",
    "Calls made together each succeed or fail alone: a refused one fails no other.",
    async (scene) => {
      const store = scene.open({ limits: { payloadBytes: 5000 } });
      const [ended, held] = [await endedTask(store, "completed"), await newTask(store)];
      await store.acquireLease(held);
      const refusals: [TaskStoreErrorCode, () => Promise<unknown>][] = [
        ["TASK_EXISTS", () => createTask(store, { taskId: ended })],
        ["TASK_TERMINAL", () => store.storeTaskResult(ended, "failed", RESULT)],
        ["TASK_NOT_FOUND", () => store.cancelTask("no-task-has-this-id")],
        ["LEASE_HELD", () => store.acquireLease(held)],
        ["QUEUE_FULL", () => store.messages.enqueue("full", message(1), undefined, 0)],
        ["PAYLOAD_TOO_LARGE", () => store.updateTask(held, { checkpoint: "x".repeat(6000) })],
      ];
      const tasks = await Promise.all(refusals.map(() => newTask(store)));
      const calls = refusals.flatMap(([, refusal], n) => [
        createTask(store, { taskId: `new ${n}` }),
        refusal(),
        store.finishTask(tasks[n] as string, { status: "completed", result: { n } }),
        store.messages.enqueue(`new ${n}`, message(n)),
      ]);
      const settled = await scene.soon(outcomes(calls));
      for (const [n, [code]] of refusals.entries()) {
        const [created, refused, finished, enqueued] = settled.slice(4 * n);
        for (const beside of [created, finished, enqueued]) if (beside?.error) throw beside.error;
        assertCode(refused?.error, code);
        assert.equal((await recordOf(store, `new ${n}`)).task.status, "working");
        assert.deepStrictEqual(await store.getTaskResult(tasks[n] as string), { n });
        assert.deepStrictEqual(await store.messages.dequeueAll(`new ${n}`), [message(n)]);
      }
    },
  ),

  defineCase(
    "races/no-change-is-missed",
    "Every change is signalled while several handles write at once, in any order of visibility.",
    async (scene) => {
      const reader = scene.open();
      const writers = range(4).map(() => scene.open());
      // Enough writes for some of the reader's polls to fall between overlapping ones.
      const work = range(40).map(async (n) => {
        const writer = writers[n % writers.length] ?? reader;
        const taskId = await newTask(writer);
        const { until } = await eventsOf(scene, reader, taskId);
        for (const step of range(8)) {
          const { revision } = await writer.updateTask(taskId, { statusMessage: `${step}` });
          await until((event) => event.revision >= revision);
        }
      });
      await Promise.all(work);
    },
  ),
];
