import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { TaskStoreError } from "../../contract/errors.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import type { RunOutcome, RunTaskOptions } from "../../runner/run-options.ts";
import { runTask } from "../../runner/run-task.ts";
import type { TaskContext, TaskHandler } from "../../runner/task-handler.ts";
import { assertCode, begun, LONG, newTask, RESULT, recordOf, statusOf } from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";
import { quiet } from "../kit/quiet.ts";
import type { Scene } from "../kit/scene.ts";

/** Resolves to the reason once the run's signal is aborted. */
function aborted(scene: Scene, { signal }: TaskContext): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  if (signal.aborted) resolve(signal.reason);
  signal.addEventListener("abort", () => resolve(signal.reason));
  return scene.soon(promise, "The abort of the run's signal");
}

/**
 * Like `runTask`, but an assertion that fails in the handler fails the case. `runTask` would store
 * it as the task's error.
 */
async function run(
  store: TaskStore,
  taskId: string,
  handler: TaskHandler,
  options: RunTaskOptions,
): Promise<RunOutcome> {
  let finding: unknown;
  const outcome = await runTask(
    store,
    taskId,
    async (task) => {
      try {
        return await handler(task);
      } catch (error) {
        if (error instanceof assert.AssertionError) finding = error;
        throw error;
      }
    },
    options,
  );
  if (finding) throw finding;
  return outcome;
}

/** A lease that does not lapse during a case. */
const ALIVE = { leaseMs: LONG };
/** The store of a runner that hangs. It drops every heartbeat. */
function hanging(store: TaskStore): TaskStore {
  return new Proxy(store, {
    get(target, property) {
      if (property === "renewLease") return () => new Promise(() => undefined);
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

export const runningCases = [
  defineCase("running/stores-the-result", "A handler's return value becomes the task's result.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store, { context: { user: 7 } });
    const outcome = await run(
      store,
      taskId,
      async (task) => {
        assert.deepStrictEqual([task.attempt, task.context], [1, { user: 7 }]);
        assert.equal(await task.progress("half", { page: 7 }), true);
        return RESULT;
      },
      ALIVE,
    );
    assert.deepStrictEqual(outcome, { stored: true, status: "completed", result: RESULT });
    const { task, checkpoint } = await recordOf(store, taskId);
    assert.deepStrictEqual([task.statusMessage, checkpoint], ["half", { page: 7 }]);
    assert.deepStrictEqual(await store.getTaskResult(taskId), RESULT);
  }),

  defineCase(
    "running/cancel-stops-the-work",
    "A cancel from any process aborts the runner's signal.",
    async (scene) => {
      const [store, client] = [scene.open(), scene.open()];
      const taskId = await newTask(store);
      const { stored, status } = await run(
        store,
        taskId,
        async (task) => {
          await begun(store, taskId);
          await client.cancelTask(taskId);
          assertCode(await aborted(scene, task), "TASK_TERMINAL");
          return RESULT;
        },
        ALIVE,
      );
      assert.deepStrictEqual({ stored, status }, { stored: false, status: "cancelled" });
    },
  ),

  defineCase(
    "running/late-progress-is-harmless",
    "Progress after a cancel does not crash the runner, and its late result changes nothing.",
    async (scene) => {
      const [store, client] = [scene.open(), scene.open()];
      const taskId = await newTask(store);
      const { stored, error } = await run(
        store,
        taskId,
        async (task) => {
          await client.cancelTask(taskId, { statusMessage: "enough" });
          for (const n of [1, 2, 3]) assert.equal(await task.progress(`late ${n}`), false);
          return RESULT;
        },
        ALIVE,
      );
      assert.deepStrictEqual({ stored, error }, { stored: false, error: undefined });
      const { task, result } = await recordOf(store, taskId);
      assert.deepStrictEqual([task.status, task.statusMessage, result], ["cancelled", "enough", undefined]);
    },
  ),

  defineCase(
    "running/lost-lease-aborts",
    "The signal of a runner aborts when another took over, and none of its writes is stored.",
    async (scene) => {
      const [store, other] = [scene.open(), scene.open()];
      const leaseMs = scene.span(300);
      const taskId = await newTask(store);
      const { stored } = await run(
        hanging(store),
        taskId,
        async (task) => {
          await scene.advance(leaseMs);
          const lease = await other.acquireLease(taskId, { leaseMs: LONG });
          assert.equal(await task.progress("stale"), false);
          assertCode(await aborted(scene, task), "LEASE_LOST");
          await other.updateTask(taskId, { statusMessage: "fresh" }, { lease });
          return { stale: true };
        },
        { leaseMs },
      );
      assert.equal(stored, false);
      const { task, result } = await recordOf(store, taskId);
      assert.deepStrictEqual([task.status, task.statusMessage, result], ["working", "fresh", undefined]);
    },
  ),

  defineCase("running/expiry-aborts", "Expiry aborts a runner.", async (scene) => {
    const store = scene.open({ fallbackPollMs: 20 });
    const ttl = scene.span(1000);
    const taskId = await newTask(store, { ttl });
    const { stored } = await run(
      hanging(store),
      taskId,
      async (task) => {
        // The run's wait has to have read the task first.
        await task.progress("half");
        await begun(store, taskId);
        await scene.advance(ttl);
        assertCode(await aborted(scene, task), "TASK_EXPIRED");
        return RESULT;
      },
      { leaseMs: ttl },
    );
    assert.equal(stored, false);
    assert.equal(await store.getTask(taskId), null);
  }),

  defineCase(
    "running/heartbeats",
    "Heartbeats of a runner keep its lease, and the task beyond its ttl.",
    async (scene) => {
      const [store, other] = [scene.open(), scene.open()];
      const leaseMs = scene.span(1500);
      const taskId = await newTask(store, { ttl: leaseMs });
      const { stored } = await run(
        store,
        taskId,
        async () => {
          for (const _ of [1, 2]) {
            const { claimableAt } = await recordOf(other, taskId);
            await scene.advance(0.6 * leaseMs);
            const renewed = async () => (await recordOf(other, taskId)).claimableAt !== claimableAt;
            await scene.soon(
              (async () => {
                while (!(await renewed())) await sleep(10);
              })(),
              "A heartbeat",
            );
          }
          return RESULT;
        },
        { leaseMs, heartbeatMs: 20 },
      );
      assert.equal(stored, true);
      assert.equal(await statusOf(other, taskId), "completed");
    },
  ),

  defineCase(
    "running/deadline",
    "A run has a deadline of its own, and the task fails when it passes.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const { stored } = await run(
        store,
        taskId,
        async (task) => {
          assert.equal(((await aborted(scene, task)) as Error).name, "TimeoutError");
          return RESULT;
        },
        { ...ALIVE, timeoutMs: 30 },
      );
      assert.equal(stored, false);
      const { task, error, result } = await recordOf(store, taskId);
      assert.deepStrictEqual([task.status, error?.code, result], ["failed", -32603, undefined]);
    },
  ),

  defineCase(
    "running/input-timeout",
    "A wait for input has a timeout of its own, and the task goes on after it.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const outcome = await run(
        store,
        taskId,
        async (task) => {
          const asked = await task.elicit({ message: "How fine?" }).catch((error: unknown) => (error as Error).name);
          return { asked };
        },
        { ...ALIVE, inputTimeoutMs: 30 },
      );
      assert.deepStrictEqual([outcome.stored, outcome.result], [true, { asked: "TimeoutError" }]);
    },
  ),

  defineCase(
    "running/input-survives",
    "A runner that took over asks again and gets the answer given to the runner before.",
    async (scene) => {
      const [first, second, server] = [scene.open(), scene.open(), scene.open()];
      const taskId = await newTask(first);
      const ask = (task: TaskContext) => task.elicit({ message: "How fine?" });
      const stopping = new AbortController();
      const stopped = await run(
        first,
        taskId,
        async (task) => {
          const asking = quiet(ask(task));
          await first.waitForTask(taskId, { until: ["input_required"] });
          stopping.abort(new Error("The process ends"));
          return asking;
        },
        { ...ALIVE, signal: stopping.signal },
      );
      assert.equal(stopped.stored, false);
      const { inputRequests } = await recordOf(second, taskId);
      const [key = ""] = Object.keys(inputRequests);
      await server.provideInputs(taskId, { [key]: { action: "accept", content: { fineness: 2 } } });
      const { stored } = await scene.soon(run(second, taskId, ask, ALIVE));
      assert.equal(stored, true);
      const record = await recordOf(first, taskId);
      assert.deepStrictEqual([record.attempt, record.result], [1, { action: "accept", content: { fineness: 2 } }]);
    },
  ),

  defineCase(
    "running/keeps-the-error",
    "An error thrown by a handler becomes the task's JSON-RPC error.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const error = Object.assign(new Error("No stone"), { code: -32042, data: { wheel: 1 } });
      const outcome = await run(store, taskId, () => Promise.reject(error), ALIVE);
      assert.deepStrictEqual([outcome.stored, outcome.error], [true, error]);
      assert.deepStrictEqual((await recordOf(store, taskId)).error, {
        code: -32042,
        message: "No stone",
        data: { wheel: 1 },
      });
      const failure = (await store.getTaskResult(taskId).catch((reason: unknown) => reason)) as TaskStoreError;
      assert.equal(failure.code as unknown, -32042);
    },
  ),
];
