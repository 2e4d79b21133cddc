import assert from "node:assert/strict";
import type { TaskStoreError } from "../../contract/errors.ts";
import {
  assertCode,
  exported,
  ifSupported,
  newTask,
  QUESTION,
  RESULT,
  range,
  recordOf,
  refused,
} from "../kit/assertions.ts";
import { type CaseBody, defineCase } from "../kit/case.ts";
import { withoutWarning } from "../kit/quiet.ts";
import { METHODS } from "./lifecycle.ts";
import { eventsOf } from "./waiting.ts";

const define = (id: string, contract: string, body: CaseBody) => defineCase(id, contract, body, ["outage"]);

/** With `outage`: what a store does while its backend cannot be reached, and afterwards. */
export const failureCases = [
  define(
    "failure/unavailable",
    "Every method rejects with BACKEND_UNAVAILABLE and its cause, in bounded time, while the backend is unreachable.",
    async (scene) => {
      const options = { onError: () => undefined };
      const [warm, cold] = [scene.open(options), scene.open(options)];
      await newTask(warm, { taskId: "t" });
      await scene.outage.begin();
      // Subscriptions last until the backend is back. A new one may join a connection that listens
      // already, without a call of the backend.
      const { subscribe: _, watchClaimable: __, ...methods } = METHODS;
      for (const store of [warm, cold]) {
        for (const call of Object.values(methods)) {
          const error = await refused(scene.soon(call(store)), "BACKEND_UNAVAILABLE");
          assert(error.cause instanceof Error, "The cause is missing");
        }
      }
      await scene.outage.end();
    },
  ),

  define(
    "failure/tells-no-details",
    "The driver's message is in the cause only, never in the error's own message.",
    async (scene) => {
      const store = scene.open();
      await scene.outage.begin();
      const error = await refused(scene.soon(store.getTask("t")), "BACKEND_UNAVAILABLE");
      const { message } = error.cause as Error;
      assert(message.length > 0 && !error.message.includes(message), error.message);
      await scene.outage.end();
    },
  ),

  define(
    "failure/works-again",
    "The store works again when the backend is back, and no acknowledged write is lost.",
    async (scene) => {
      const options = { onError: () => undefined };
      const [warm, cold] = [scene.open(options), scene.open(options)];
      const taskId = await newTask(warm);
      await warm.requestInputs(taskId, { a: QUESTION });
      const before = await recordOf(warm, taskId);
      await scene.outage.begin();
      for (const store of [warm, cold]) {
        await refused(scene.soon(store.storeTaskResult(taskId, "completed", RESULT)), "BACKEND_UNAVAILABLE");
        await refused(scene.soon(store.waitForTask(taskId)), "BACKEND_UNAVAILABLE");
      }
      await scene.outage.end();
      for (const store of [warm, cold]) assert.deepStrictEqual(await recordOf(store, taskId), before);
      await cold.storeTaskResult(taskId, "completed", RESULT);
      assert.deepStrictEqual(await scene.soon(warm.waitForResult(taskId)), RESULT);
    },
  ),

  define(
    "failure/listeners-recover",
    "Waits and subscriptions survive an outage: they see later changes, and no rejection is unhandled.",
    async (scene) => {
      const unhandled: unknown[] = [];
      const onUnhandled = (reason: unknown) => unhandled.push(reason);
      process.on("unhandledRejection", onUnhandled);
      try {
        const options = { onError: () => undefined, fallbackPollMs: 20 };
        const [store, writer] = [scene.open(options), scene.open(options)];
        const taskId = await newTask(writer);
        const { until } = await eventsOf(scene, store, taskId);
        await until(() => true);
        const waiting = store.waitForTask(taskId);
        // The wait has begun once a later wait has ended. An outage before that could end it.
        await store.waitForTask(taskId, { until: "change" });
        await scene.outage.begin();
        // Long enough for some fallback polls to fail during the outage.
        for (const _ of [1, 2, 3]) {
          await refused(scene.soon(store.getTask(taskId)), "BACKEND_UNAVAILABLE");
          await new Promise((resolve) => setTimeout(resolve, 30));
        }
        await scene.outage.end();
        await writer.updateTask(taskId, { statusMessage: "after" });
        await until(({ task }) => task.statusMessage === "after");
        await writer.storeTaskResult(taskId, "completed", RESULT);
        assert.equal((await scene.soon(waiting)).task.status, "completed");
        assert.deepStrictEqual(unhandled, []);
      } finally {
        process.off("unhandledRejection", onUnhandled);
      }
    },
  ),

  define(
    "failure/signals-recover",
    "After an outage, the backend's signals tell waits of changes, without a fallback read.",
    async (scene) => {
      const options = { onError: () => undefined };
      const [store, writer, late] = [scene.open(options), scene.open(options), scene.open(options)];
      const [taskId, other] = [await newTask(writer), await newTask(writer)];
      await late.getTask(other);
      const { until } = await eventsOf(scene, store, taskId);
      await until(() => true);
      const waiting = store.waitForTask(taskId);
      // The wait has begun once a later wait has ended. An outage before that could end it.
      await store.waitForTask(taskId, { until: "change" });
      await scene.outage.begin();
      await refused(scene.soon(late.waitForTask(other)), "BACKEND_UNAVAILABLE");
      for (const each of [store, writer]) await refused(scene.soon(each.getTask(taskId)), "BACKEND_UNAVAILABLE");
      await scene.outage.end();
      // Perhaps before the backend hears of changes again.
      await writer.storeTaskResult(taskId, "completed", RESULT);
      assert.equal((await scene.soon(waiting, "The end of the task")).task.status, "completed");
      await until(({ task }) => task.status === "completed");
      // Where listening could not begin, it begins now.
      const last = late.waitForTask(other);
      await late.waitForTask(other, { until: "change" });
      await writer.storeTaskResult(other, "completed", RESULT);
      assert.equal((await scene.soon(last, "The end of the other task")).task.status, "completed");
    },
  ),

  define(
    "failure/dequeue-all",
    "`dequeueAll` does not reject in an outage: it reports to `onError`, even if that throws, and loses no message.",
    async (scene) => {
      const errors: TaskStoreError[] = [];
      const broken = new Error("onError is broken");
      const store = scene.open({
        onError(error) {
          errors.push(error);
          throw broken;
        },
      });
      await store.messages.enqueue("t", {
        type: "notification",
        message: { jsonrpc: "2.0", method: "n" },
        timestamp: 1,
      });
      await scene.outage.begin();
      await withoutWarning(broken, async () => {
        assert.deepStrictEqual(await scene.soon(store.messages.dequeueAll("t")), []);
      });
      assertCode(errors[0], "BACKEND_UNAVAILABLE");
      await scene.outage.end();
      assert.equal((await store.messages.dequeueAll("t")).length, 1);
    },
  ),

  define(
    "failure/parts",
    "A call of several steps that fails after a part of it says so with `unknown`, and does the rest when called again.",
    async (scene) => {
      const store = scene.open({ onError: () => undefined });
      await newTask(store);
      const [task] = await exported(store);
      assert(task);
      // More than a store writes in one step.
      const tasks = range(101).map((index) => ({ ...task, taskId: `t${index}` }));
      if (!(await ifSupported(store.operations.importTasks([task])))) return;
      async function* interrupted() {
        yield* tasks.slice(0, -1);
        await scene.outage.begin();
        yield* tasks.slice(-1);
      }
      const error = await refused(scene.soon(store.operations.importTasks(interrupted())), "BACKEND_UNAVAILABLE");
      assert.equal(error.write, "unknown");
      await scene.outage.end();
      // Connections that the outage has ended may fail a call each.
      const again = async <T>(call: () => Promise<T>): Promise<T> => {
        for (;;) {
          try {
            return await call();
          } catch (error) {
            assertCode(error, "BACKEND_UNAVAILABLE");
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
      };
      assert(await again(() => store.getTask("t0")), "The part that was written is missing");
      const rest = await again(() => store.operations.importTasks(tasks));
      assert.equal(rest.imported + rest.existing, 101);
      assert(rest.existing >= 100, "The part that was written was written again");
      assert(await store.getTask("t100"), "The rest is missing");
    },
  ),
];
