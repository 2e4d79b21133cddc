import assert from "node:assert/strict";
import type { TaskSnapshot } from "../../contract/record.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import {
  assertCode,
  begun,
  endedTask,
  LONG,
  newTask,
  QUESTION,
  REQUEST,
  RESULT,
  range,
  reasonOf,
  recordOf,
  refused,
  snapshotOf,
  statusOf,
  TERMINAL,
} from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";
import { quiet, withoutWarning } from "../kit/quiet.ts";
import type { Scene } from "../kit/scene.ts";

/** Collects events; `until` resolves once one passes the test. */
export async function eventsOf(scene: Scene, store: TaskStore, taskId?: string) {
  const events: TaskSnapshot[] = [];
  const watches: { test(event: TaskSnapshot): boolean; resolve(event: TaskSnapshot): void }[] = [];
  const stop = await store.subscribe(
    (event) => {
      events.push(event);
      for (const { test, resolve } of watches) if (test(event)) resolve(event);
    },
    taskId === undefined ? {} : { taskId },
  );
  const until = (test: (event: TaskSnapshot) => boolean) => {
    const { promise, resolve } = Promise.withResolvers<TaskSnapshot>();
    const found = events.find(test);
    if (found) resolve(found);
    watches.push({ test, resolve });
    return scene.soon(promise, "An event");
  };
  return { events, stop, until };
}

export const waitingCases = [
  defineCase(
    "waiting/finished-task",
    "A wait never hangs on a task that is already terminal, for any `until`.",
    async (scene) => {
      const store = scene.open();
      for (const status of TERMINAL) {
        const taskId = await endedTask(store, status);
        const { revision } = await recordOf(store, taskId);
        for (const options of [
          {},
          { until: "change" as const },
          { until: "change" as const, after: revision },
          { after: revision + 100 },
          { until: ["input_required" as const] },
        ]) {
          const waited = await scene.soon(store.waitForTask(taskId, options));
          assert.deepStrictEqual(snapshotOf(waited), { task: await store.getTask(taskId), revision });
        }
      }
    },
  ),

  defineCase(
    "waiting/wakes",
    "A wait ends soon after a change through any handle, with the state after it.",
    async (scene) => {
      const [waiter, writer] = [scene.open(), scene.open()];
      const taskId = await newTask(writer);
      const { revision } = await waiter.waitForTask(taskId, { until: "change" });
      const waiting = waiter.waitForTask(taskId, { until: "change", after: revision });
      await begun(waiter, taskId);
      const changed = await writer.updateTask(taskId, { status: "input_required", statusMessage: "well?" });
      assert.deepStrictEqual(snapshotOf(await scene.soon(waiting)), changed);
      const ending = waiter.waitForTask(taskId);
      await begun(waiter, taskId);
      await writer.storeTaskResult(taskId, "completed", RESULT);
      assert.equal((await scene.soon(ending)).task.status, "completed");
      assert.deepStrictEqual(await waiter.getTaskResult(taskId), RESULT);
    },
  ),

  defineCase(
    "waiting/cancel-reaches-the-runner",
    "A cancel through any handle ends the wait of the task's runner.",
    async (scene) => {
      const [runner, client] = [scene.open(), scene.open()];
      const taskId = await newTask(runner);
      const lease = await runner.acquireLease(taskId);
      const stopped = runner.waitForTask(taskId);
      await begun(runner, taskId);
      await client.cancelTask(taskId);
      assert.equal((await scene.soon(stopped)).task.status, "cancelled");
      await refused(runner.finishTask(taskId, { status: "completed", result: RESULT }, { lease }), "TASK_TERMINAL");
    },
  ),

  defineCase("waiting/every-waiter-wakes", "A change wakes every waiter, not just the last.", async (scene) => {
    const stores = [scene.open(), scene.open()] as const;
    const taskId = await newTask(stores[0]);
    const waiting = range(12).map((n) => stores[n % 2 ? 1 : 0].waitForTask(taskId));
    const results = range(4).map((n) => stores[n % 2 ? 1 : 0].waitForResult(taskId));
    for (const store of stores) await begun(store, taskId);
    await stores[1].storeTaskResult(taskId, "completed", RESULT);
    for (const { task } of await scene.soon(Promise.all(waiting))) assert.equal(task.status, "completed");
    for (const result of await scene.soon(Promise.all(results))) assert.deepStrictEqual(result, RESULT);
  }),

  defineCase(
    "waiting/no-change-is-missed",
    "A wait never misses a change between its check and its wait.",
    async (scene) => {
      const [waiter, writer] = [scene.open(), scene.open()];
      for (const n of range(30)) {
        const taskId = await newTask(writer);
        const waiting = waiter.waitForTask(taskId);
        // The change comes during the first steps of the wait, a little later each time.
        for (const _ of range(n)) await null;
        const writing = writer.storeTaskResult(taskId, "completed", RESULT);
        assert.equal((await scene.soon(waiting)).task.status, "completed");
        await writing;
      }
    },
  ),

  defineCase(
    "waiting/until-statuses",
    "`until` may be a list of statuses: others do not end the wait, but a terminal one always does.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const asking = store.waitForTask(taskId, { until: ["input_required"] });
      await begun(store, taskId);
      await store.updateTaskStatus(taskId, "working", "one");
      await store.updateTaskStatus(taskId, "working", "two");
      await store.updateTaskStatus(taskId, "input_required", "three");
      assert.equal((await scene.soon(asking)).task.statusMessage, "three");
      const { task } = await scene.soon(store.waitForTask(taskId, { until: ["working", "input_required"] }));
      assert.equal(task.status, "input_required");
      const working = store.waitForTask(taskId, { until: ["working"] });
      await begun(store, taskId);
      await store.cancelTask(taskId);
      assert.equal((await scene.soon(working)).task.status, "cancelled");
    },
  ),

  defineCase("waiting/after", "A wait with `after` ends only with a state of a larger revision.", async (scene) => {
    const [store, writer] = [scene.open(), scene.open()];
    const taskId = await newTask(store);
    let { revision } = await scene.soon(store.waitForTask(taskId, { until: "change" }));
    for (const n of range(5)) {
      const waiting = store.waitForTask(taskId, { until: "change", after: revision });
      await begun(store, taskId);
      const changed = await writer.updateTask(taskId, { statusMessage: `${n}` });
      const seen = await scene.soon(waiting);
      assert(seen.revision > revision, "The wait brought the state that was known already");
      assert.deepStrictEqual(snapshotOf(seen), changed);
      revision = seen.revision;
    }
  }),

  defineCase(
    "waiting/fields",
    "A wait with `fields` returns these fields of its final state, also beside other waits.",
    async (scene) => {
      const [waiter, writer] = [scene.open(), scene.open()];
      for (const n of range(10)) {
        const taskId = await newTask(writer);
        const plain = waiter.waitForTask(taskId, { until: ["input_required"] });
        await begun(waiter, taskId);
        const asking = writer.requestInputs(taskId, { fineness: QUESTION });
        // The second wait begins while the first one learns of the question, a little later each
        // time.
        for (const _ of range(4 * n)) await null;
        const waiting = waiter.waitForTask(taskId, { until: ["input_required"], fields: ["inputRequests"] });
        const asked = await scene.soon(waiting);
        assert.deepStrictEqual(snapshotOf(asked), await asking);
        assert.deepStrictEqual(asked.inputRequests, { fineness: QUESTION });
        assert.equal("request" in asked || "result" in asked, false);
        await plain;

        const ending = waiter.waitForTask(taskId, { fields: ["request", "result", "error"] });
        await begun(waiter, taskId);
        await writer.storeTaskResult(taskId, "completed", RESULT);
        const { task, ...ended } = await scene.soon(ending);
        assert.equal(task.status, "completed");
        assert.deepStrictEqual([ended.request, ended.result, ended.error], [REQUEST, RESULT, undefined]);
      }
      const taskId = await newTask(writer);
      await refused(waiter.waitForTask(taskId, { fields: ["outcome" as "result"] }), "INVALID_ARGUMENT");
    },
  ),

  defineCase(
    "waiting/unknown-task",
    "A wait for an unknown task is refused at once, and other waits go on.",
    async (scene) => {
      const store = scene.open();
      for (const taskId of ["nobody", "", "\0", "x".repeat(1000)]) {
        await refused(scene.soon(store.waitForTask(taskId)), "TASK_NOT_FOUND");
        await refused(scene.soon(store.waitForResult(taskId)), "TASK_NOT_FOUND");
        await store.subscribe(() => assert.fail("There was an event of no task"), { taskId });
      }
      const taskId = await newTask(store);
      const waiting = store.waitForTask(taskId);
      await store.updateTaskStatus(taskId, "completed");
      assert.equal((await scene.soon(waiting)).task.status, "completed");
    },
  ),

  defineCase(
    "waiting/timeout",
    "`timeoutMs` ends a wait with a TimeoutError, and other waits go on.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      await store.requestInputs(taskId, { q: QUESTION });
      const patient = store.waitForTask(taskId);
      for (const wait of [
        store.waitForTask(taskId, { timeoutMs: 30 }),
        store.waitForResult(taskId, { timeoutMs: 30 }),
        store.awaitInput(taskId, "q", { timeoutMs: 30 }),
      ])
        assert.equal(((await scene.soon(reasonOf(wait))) as Error).name, "TimeoutError");
      await store.cancelTask(taskId);
      assert.equal((await scene.soon(patient)).task.status, "cancelled");
    },
  ),

  defineCase(
    "waiting/signal",
    "A `signal` ends a wait with its reason, and at once if it has aborted before.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      await store.requestInputs(taskId, { q: QUESTION });
      const reason = new Error("The client left");
      const patient = store.waitForTask(taskId);
      const waits = (signal: AbortSignal) => [
        store.waitForTask(taskId, { signal }),
        store.waitForResult(taskId, { signal }),
        store.awaitInput(taskId, "q", { signal }),
      ];
      const controller = new AbortController();
      const waiting = waits(controller.signal).map(reasonOf);
      controller.abort(reason);
      for (const each of [...waiting, ...waits(AbortSignal.abort(reason)).map(reasonOf)])
        assert.equal(await scene.soon(each), reason);
      await store.cancelTask(taskId);
      assert.equal((await scene.soon(patient)).task.status, "cancelled");
    },
  ),

  defineCase(
    "waiting/for-result",
    "`waitForResult` resolves with the result, or rejects once the task cannot have one.",
    async (scene) => {
      const [waiter, writer] = [scene.open(), scene.open()];
      const completed = await newTask(writer);
      const cancelled = await newTask(writer);
      const waiting = waiter.waitForResult(completed);
      const never = refused(scene.soon(waiter.waitForResult(cancelled)), "RESULT_NOT_READY");
      for (const taskId of [completed, cancelled]) await begun(waiter, taskId);
      await writer.storeTaskResult(completed, "completed", RESULT);
      await writer.cancelTask(cancelled);
      assert.deepStrictEqual(await scene.soon(waiting), RESULT);
      assert.equal((await never).status, "cancelled");
    },
  ),

  defineCase(
    "waiting/events-after-the-change",
    "Events carry the state after the change, and a read at the event sees that state or a later one.",
    async (scene) => {
      const [store, writer] = [scene.open(), scene.open()];
      const taskId = await newTask(store);
      const reads: Promise<void>[] = [];
      const told = Promise.withResolvers<void>();
      await store.subscribe(
        ({ task, revision }) => {
          const read = async () => {
            const record = await recordOf(store, taskId);
            assert(record.revision >= revision, "The event came before the change");
            if (task.status === "completed")
              assert.deepStrictEqual([record.task.status, record.result], ["completed", RESULT]);
          };
          reads.push(quiet(read()));
          if (task.status === "completed") told.resolve();
        },
        { taskId },
      );
      for (const n of range(5)) {
        const changed = await writer.updateTask(taskId, {
          status: n % 2 ? "working" : "input_required",
          statusMessage: `${n}`,
        });
        const waiting = store.waitForTask(taskId, { until: "change", after: changed.revision - 1 });
        assert.deepStrictEqual(snapshotOf(await scene.soon(waiting)), changed);
      }
      await writer.storeTaskResult(taskId, "completed", RESULT);
      await scene.soon(told.promise, "The event of the end");
      await Promise.all(reads);
    },
  ),

  defineCase(
    "waiting/events-in-order",
    "The revisions of a task's events only grow, and the last state always comes.",
    async (scene) => {
      const [store, writer] = [scene.open(), scene.open()];
      const taskId = await newTask(store);
      const { events, until } = await eventsOf(scene, store, taskId);
      for (const n of range(20)) await writer.updateTaskStatus(taskId, "working", `${n}`);
      await writer.storeTaskResult(taskId, "completed", RESULT);
      await until(({ task }) => task.status === "completed");
      const revisions = events.map(({ revision }) => revision);
      assert.deepStrictEqual(
        revisions,
        [...new Set(revisions)].toSorted((a, b) => a - b),
      );
      assert.equal(revisions.at(-1), (await recordOf(store, taskId)).revision);
    },
  ),

  defineCase("waiting/first-event", "A subscription to one task gets the present state first.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store);
    const changed = await scene.open().updateTask(taskId, { statusMessage: "half" });
    const { events, until } = await eventsOf(scene, store, taskId);
    await until(() => true);
    assert.deepStrictEqual(events, [changed]);
  }),

  defineCase(
    "waiting/events-of-all",
    "Every subscription without a task id gets the events of every task, new ones included.",
    async (scene) => {
      const [store, writer] = [scene.open(), scene.open()];
      const old = await newTask(writer);
      const subscribers = [await eventsOf(scene, store), await eventsOf(scene, store), await eventsOf(scene, writer)];
      const young = await newTask(writer);
      await store.storeTaskResult(old, "completed", RESULT);
      await writer.updateTaskStatus(young, "input_required");
      for (const { until } of subscribers) {
        await until(({ task }) => task.taskId === old && task.status === "completed");
        await until(({ task }) => task.taskId === young && task.status === "input_required");
      }
    },
  ),

  defineCase(
    "waiting/events-chosen",
    "A subscription to names and statuses gets no other task and no other state.",
    async (scene) => {
      const [store, writer] = [scene.open(), scene.open()];
      const events: TaskSnapshot[] = [];
      const told = Promise.withResolvers<void>();
      const stop = await store.subscribe(
        (event) => {
          events.push(event);
          if (event.task.status === "completed") told.resolve();
        },
        { names: ["bake"], statuses: ["completed", "input_required"] },
      );
      await writer.storeTaskResult(await newTask(writer), "completed", RESULT);
      await writer.cancelTask((await writer.createTask({ name: "bake", ttl: LONG })).taskId);
      const { taskId } = await writer.createTask({ name: "bake", ttl: LONG });
      await writer.updateTask(taskId, { statusMessage: "half" });
      await writer.storeTaskResult(taskId, "completed", RESULT);
      await scene.soon(told.promise);
      for (const { task } of events) assert.deepStrictEqual([task.taskId, task.status], [taskId, "completed"]);
      stop();
      await refused(
        store.subscribe(() => undefined, { names: [] }),
        "INVALID_ARGUMENT",
      );
      await refused(
        store.subscribe(() => undefined, { statuses: ["done" as "failed"] }),
        "INVALID_ARGUMENT",
      );
    },
  ),

  defineCase(
    "waiting/unsubscribe",
    "A subscription that was ended gets no more events, and others go on.",
    async (scene) => {
      const [store, writer] = [scene.open(), scene.open()];
      const taskId = await newTask(writer);
      const [ended, going] = [await eventsOf(scene, store, taskId), await eventsOf(scene, store, taskId)];
      await ended.until(() => true);
      ended.stop();
      const { length } = ended.events;
      await writer.updateTaskStatus(taskId, "completed");
      await going.until(({ task }) => task.status === "completed");
      assert.equal(ended.events.length, length);
    },
  ),

  defineCase(
    "waiting/broken-listener",
    "An error thrown by a listener goes to `onError`, and other listeners go on.",
    async (scene) => {
      const errors: unknown[] = [];
      const broken = new Error("onError is broken, too");
      for (const onError of [
        (error: unknown) => void errors.push(error),
        () => {
          throw broken;
        },
      ]) {
        await withoutWarning(broken, async () => {
          const store = scene.open({ onError });
          const taskId = await newTask(store);
          await store.subscribe(
            () => {
              throw new Error("The listener is broken");
            },
            { taskId },
          );
          const { until } = await eventsOf(scene, store, taskId);
          const waiting = store.waitForTask(taskId);
          await store.updateTaskStatus(taskId, "completed");
          await until(({ task }) => task.status === "completed");
          await scene.soon(waiting);
        });
      }
      assert(errors.length > 0, "onError got no error");
      assertCode(errors[0], "INVALID_ARGUMENT");
    },
  ),

  defineCase("waiting/tasks-do-not-mix", "A change of one task ends no wait for another.", async (scene) => {
    const [store, writer] = [scene.open(), scene.open()];
    const [one, two] = [await newTask(writer), await newTask(writer)];
    const waits = { one: store.waitForTask(one), two: store.waitForTask(two) };
    const { until } = await eventsOf(scene, store, two);
    let ended = false;
    const end = () => {
      ended = true;
    };
    waits.one.then(end, end);
    await writer.updateTaskStatus(two, "completed");
    assert.equal((await scene.soon(waits.two)).task.taskId, two);
    await until(({ task }) => task.status === "completed");
    assert.equal(ended, false);
    await writer.updateTaskStatus(one, "failed");
    assert.deepStrictEqual((await scene.soon(waits.one)).task, await store.getTask(one));
    assert.equal(await statusOf(store, one), "failed");
  }),
];
