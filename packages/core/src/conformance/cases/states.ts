import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { TaskStatus } from "../../contract/task.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import {
  assertCode,
  createTask,
  endedTask,
  heldTask,
  ifSupported,
  LONG,
  newTask,
  outcomes,
  QUESTION,
  RESULT,
  range,
  recordOf,
  refused,
  snapshotOf,
  statusOf,
  TERMINAL,
  winners,
} from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";

const ALL: readonly TaskStatus[] = ["working", "input_required", ...TERMINAL];

/** Every call that could write to a task without a lease. */
export function writers(store: TaskStore, taskId: string): Promise<unknown>[] {
  return [
    ...ALL.map((status) => store.updateTaskStatus(taskId, status, "late")),
    ...ALL.map((status) => store.updateTask(taskId, { status })),
    store.updateTask(taskId, { statusMessage: "late" }),
    store.updateTask(taskId, { checkpoint: "late" }),
    store.storeTaskResult(taskId, "completed", { late: true }),
    store.storeTaskResult(taskId, "failed", { late: true }),
    store.finishTask(taskId, { status: "completed", result: { late: true } }),
    store.finishTask(taskId, { status: "failed", error: { code: -32000, message: "late" } }),
    store.cancelTask(taskId),
    store.requestInputs(taskId, { late: QUESTION }),
    store.acquireLease(taskId),
  ];
}

export const stateCases = [
  defineCase(
    "states/active-may-go-anywhere",
    "Any non-terminal status may go to any status, itself included.",
    async (scene) => {
      const store = scene.open();
      for (const from of ["working", "input_required"] as const) {
        for (const to of ALL) {
          const taskId = await newTask(store);
          await store.updateTaskStatus(taskId, from);
          await store.updateTaskStatus(taskId, to);
          assert.equal(await statusOf(store, taskId), to);
        }
      }
    },
  ),

  defineCase(
    "states/several-fields",
    "An update of several fields answers with the task as it is kept, and counts only what requestors see.",
    async (scene) => {
      const store = scene.open();
      const lease = await heldTask(store, { ttl: LONG });
      const { taskId } = lease;
      const kept = async () => snapshotOf(await recordOf(scene.open(), taskId));
      for (const statusMessage of ["half", "checkpoint", "most"]) {
        const answer = await store.updateTask(taskId, { checkpoint: { statusMessage }, statusMessage }, { lease });
        assert.equal(answer.task.statusMessage, statusMessage);
        assert.deepStrictEqual(snapshotOf(answer), await kept());
      }
      const before = await kept();
      const silent = { checkpoint: { at: 3 }, step: { name: "sow", result: 1 } };
      if (await ifSupported(store.updateTask(taskId, silent, { lease }))) assert.deepStrictEqual(await kept(), before);
    },
  ),

  defineCase("states/progress", "`working` to `working` with a message is progress.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store);
    for (const message of ["one", "two", ""]) {
      await store.updateTaskStatus(taskId, "working", message);
      assert.deepStrictEqual((await store.getTask(taskId))?.statusMessage, message);
    }
    const { task } = await store.updateTask(taskId, { statusMessage: "three" });
    assert.deepStrictEqual([task.status, task.statusMessage], ["working", "three"]);
  }),

  defineCase("states/undefined-message-stays", "An undefined `statusMessage` leaves the old one.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store);
    await store.updateTaskStatus(taskId, "working", "kept");
    await store.updateTaskStatus(taskId, "input_required");
    await store.updateTaskStatus(taskId, "working", undefined);
    await store.updateTask(taskId, { status: "working", statusMessage: undefined });
    assert.equal((await store.getTask(taskId))?.statusMessage, "kept");
    await store.storeTaskResult(taskId, "completed", RESULT);
    assert.equal((await store.getTask(taskId))?.statusMessage, "kept");
  }),

  defineCase(
    "states/revision-grows",
    "Each change of a task has a revision of its own, larger than those before.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const revisions = [
        (await recordOf(store, taskId)).revision,
        (await store.updateTask(taskId, { statusMessage: "a" })).revision,
        (await store.requestInputs(taskId, { q: QUESTION })).revision,
        (await store.updateTask(taskId, { status: "working" })).revision,
        (await store.finishTask(taskId, { status: "completed", result: RESULT })).revision,
      ];
      assert.deepStrictEqual(
        revisions,
        revisions.toSorted((a, b) => a - b),
      );
      assert.equal(new Set(revisions).size, revisions.length);
      assert.equal((await recordOf(store, taskId)).revision, revisions.at(-1));
    },
  ),

  defineCase(
    "terminal/is-immutable",
    "Terminal is final: any later write is refused, and the record stays byte for byte.",
    async (scene) => {
      const store = scene.open();
      for (const status of TERMINAL) {
        const taskId = await endedTask(store, status);
        const before = JSON.stringify(await recordOf(store, taskId));
        await scene.advance(20);
        for (const { error } of await outcomes(writers(store, taskId))) assertCode(error, "TASK_TERMINAL");
        assert.deepStrictEqual(await store.provideInputs(taskId, { q: 1 }), []);
        assert.equal(JSON.stringify(await recordOf(store, taskId)), before);
      }
    },
  ),

  defineCase(
    "terminal/result-stays",
    "A result is never written onto a terminal task, not even onto one without a result.",
    async (scene) => {
      const store = scene.open();
      const cancelled = await endedTask(store, "cancelled");
      await refused(store.storeTaskResult(cancelled, "completed", RESULT), "TASK_TERMINAL");
      await refused(store.getTaskResult(cancelled), "RESULT_NOT_READY");
      const completed = await endedTask(store, "completed");
      await refused(scene.open().storeTaskResult(completed, "completed", { other: 1 }), "TASK_TERMINAL");
      assert.deepStrictEqual(await store.getTaskResult(completed), RESULT);
    },
  ),

  defineCase("terminal/error-says-status", "The error of a refused write names the task's status.", async (scene) => {
    const store = scene.open();
    for (const status of TERMINAL) {
      const taskId = await endedTask(store, status);
      for (const call of [
        store.updateTaskStatus(taskId, "working"),
        store.storeTaskResult(taskId, "completed", RESULT),
        store.cancelTask(taskId),
      ]) {
        const error = await refused(call, "TASK_TERMINAL");
        assert.deepStrictEqual([error.status, error.taskId], [status, taskId]);
        assert(error.message.includes(status), error.message);
      }
    }
  }),

  defineCase("states/one-step", "Status, result and message change in one atomic step.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store);
    const { revision } = await recordOf(store, taskId);
    const finished = await store.finishTask(taskId, { status: "failed", result: RESULT, statusMessage: "broke" });
    assert.deepStrictEqual([finished.task.status, finished.task.statusMessage], ["failed", "broke"]);
    assert.equal(finished.revision, revision + 1);
    const record = await recordOf(store, taskId);
    assert.deepStrictEqual([record.revision, record.result], [revision + 1, RESULT]);
  }),

  defineCase("states/no-status-without-result", "No reader sees the final status before the result.", async (scene) => {
    const [writer, reader] = [scene.open(), scene.open()];
    for (const _ of range(10)) {
      const taskId = await newTask(writer);
      let stored = false;
      const end = () => {
        stored = true;
      };
      const storing = writer.storeTaskResult(taskId, "completed", RESULT);
      storing.then(end, end);
      while (!stored) {
        // Gives the writer a turn of the event loop.
        await nextTurn();
        const { task, result } = await recordOf(reader, taskId);
        assert.deepStrictEqual(result, task.status === "completed" ? RESULT : undefined);
      }
      await storing;
    }
  }),

  defineCase(
    "states/concurrent-progress",
    "Concurrent updates are all applied, one after the other, and none is lost.",
    async (scene) => {
      const stores = [scene.open(), scene.open()] as const;
      const taskId = await newTask(stores[0]);
      const calls = range(16).map((n) => stores[n % 2 ? 1 : 0].updateTask(taskId, { statusMessage: `${n}` }));
      const revisions = (await Promise.all(calls)).map(({ revision }) => revision);
      assert.deepStrictEqual(
        revisions.toSorted((a, b) => a - b),
        range(16).map((n) => n + 2),
      );
      assert.equal((await recordOf(stores[0], taskId)).revision, 17);
    },
  ),

  defineCase(
    "races/one-terminal-write-wins",
    "Exactly one of N concurrent terminal writes wins, and N-1 get the error.",
    async (scene) => {
      const stores = [scene.open(), scene.open()] as const;
      for (const _ of range(4)) {
        const taskId = await newTask(stores[0]);
        const calls = range(16).map(async (n) => {
          await stores[n % 2 ? 1 : 0].storeTaskResult(taskId, n % 3 ? "completed" : "failed", { n });
          return n;
        });
        const [winner, ...more] = winners(await outcomes(calls), "TASK_TERMINAL");
        assert.deepStrictEqual(more, []);
        assert.deepStrictEqual(await stores[1].getTaskResult(taskId), { n: winner });
      }
    },
  ),

  defineCase(
    "races/cancel-or-complete",
    "Exactly one of a racing cancel and completion reports success, and that one is stored.",
    async (scene) => {
      const [one, two] = [scene.open(), scene.open()];
      for (const n of range(12)) {
        const taskId = await newTask(one);
        const racers = [
          async () => (await one.cancelTask(taskId)).task.status,
          async () => two.storeTaskResult(taskId, "completed", RESULT).then(() => "completed" as const),
        ];
        if (n % 2) racers.reverse();
        const won = winners(await outcomes(racers.map((race) => race())), "TASK_TERMINAL");
        assert.deepStrictEqual(won, [await statusOf(two, taskId)]);
        if (won[0] === "cancelled") await refused(one.getTaskResult(taskId), "RESULT_NOT_READY");
        else assert.deepStrictEqual(await one.getTaskResult(taskId), RESULT);
      }
    },
  ),

  defineCase(
    "states/cancel",
    "`cancelTask` makes the task `cancelled`, with a message, and returns the new state.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const { task } = await store.cancelTask(taskId, { statusMessage: "enough" });
      assert.deepStrictEqual([task.status, task.statusMessage], ["cancelled", "enough"]);
      assert.deepStrictEqual(await store.getTask(taskId), task);
      assert((await store.cancelTask(await newTask(store))).task.statusMessage, "There is no message by default");
    },
  ),

  defineCase(
    "states/progress-after-cancel",
    "Progress after a cancel is refused like any other late write, and changes nothing.",
    async (scene) => {
      const [runner, client] = [scene.open(), scene.open()];
      const taskId = await newTask(runner);
      const lease = await runner.acquireLease(taskId);
      await client.cancelTask(taskId);
      await refused(runner.updateTaskStatus(taskId, "working", "70 %"), "TASK_TERMINAL");
      await refused(runner.updateTask(taskId, { statusMessage: "80 %" }, { lease }), "TASK_TERMINAL");
      await refused(runner.renewLease(lease), "TASK_TERMINAL");
      assert.equal(await statusOf(runner, taskId), "cancelled");
      assert.equal((await createTask(runner)).status, "working");
    },
  ),

  defineCase("states/update-says-what-is", "`updateTask` returns the task after the change.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store);
    const { task, revision } = await store.updateTask(taskId, { status: "input_required", statusMessage: "well?" });
    assert.deepStrictEqual(await store.getTask(taskId), task);
    assert.deepStrictEqual([task.status, task.statusMessage, revision], ["input_required", "well?", 2]);
  }),

  defineCase(
    "states/what-is-no-status",
    "An invalid status, or one that no result can be stored with, is refused, and nothing is written.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const before = await recordOf(store, taskId);
      for (const status of ["done", "", "Working", "__proto__", null, 1])
        await refused(store.updateTaskStatus(taskId, status as TaskStatus), "INVALID_ARGUMENT");
      for (const status of ["working", "input_required", "cancelled"])
        await refused(store.storeTaskResult(taskId, status as "failed", RESULT), "INVALID_TRANSITION");
      await refused(store.updateTask(taskId, {}), "INVALID_ARGUMENT");
      assert.deepStrictEqual(await recordOf(store, taskId), before);
    },
  ),

  defineCase(
    "states/ended-without-result",
    "A task may end without a result, and then it has none to read.",
    async (scene) => {
      const store = scene.open();
      for (const status of TERMINAL) {
        const taskId = await newTask(store);
        await store.updateTaskStatus(taskId, status);
        await refused(store.getTaskResult(taskId), "RESULT_NOT_READY");
      }
    },
  ),

  defineCase("states/failed-with-result", "A task that failed with a result returns that result.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store);
    await store.storeTaskResult(taskId, "failed", { ...RESULT, isError: true });
    assert.equal(await statusOf(store, taskId), "failed");
    assert.deepStrictEqual(await store.getTaskResult(taskId), { ...RESULT, isError: true });
  }),
];
