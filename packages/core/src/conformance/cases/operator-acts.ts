import assert from "node:assert/strict";
import { ANY_OWNER } from "../../contract/owner.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import {
  endedTask,
  ifSupported,
  LONG,
  message,
  newTask,
  QUESTION,
  REQUEST,
  RESULT,
  range,
  recordOf,
  refused,
  statusOf,
} from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";

const CLAIM = { names: ["grind"], leaseMs: LONG };

async function claimedId(store: TaskStore): Promise<string | undefined> {
  return (await store.claimTask(CLAIM))?.lease.taskId;
}

export const operatorActCases = [
  defineCase(
    "operators/cancel-tasks",
    "`cancelTasks` cancels the active tasks of all owners that match, and no others; a dry run only counts them.",
    async (scene) => {
      const store = scene.open({ isolation: "strict" });
      const [ada, grace] = [await newTask(store, {}, "ada"), await newTask(store, {}, "grace")];
      const asking = await newTask(store);
      await store.requestInputs(asking, { fine: QUESTION });
      const ended = await endedTask(store, "completed");
      const other = (await store.createTask({ name: "bake", ttl: LONG })).taskId;
      const where = { name: "grind" };
      const dry = await store.operations.cancelTasks(where, { dryRun: true });
      assert.deepEqual([dry.done, dry.skipped], [3, { ended: 1 }]);
      for (const taskId of [ada, grace]) assert.equal(await statusOf(store, taskId), "working");
      const progress: number[] = [];
      const outcome = await store.operations.cancelTasks(where, {
        statusMessage: "Stopped by an operator",
        onProgress: ({ done }) => progress.push(done),
      });
      assert.deepEqual([outcome.done, outcome.skipped], [3, { ended: 1 }]);
      assert.equal(progress.at(-1), 3);
      for (const taskId of [ada, grace, asking]) {
        const { task } = await recordOf(store, taskId);
        assert.deepEqual([task.status, task.statusMessage], ["cancelled", "Stopped by an operator"]);
      }
      assert.equal(await statusOf(store, ended), "completed");
      assert.equal(await statusOf(store, other), "working");
      const again = await store.operations.cancelTasks({ name: "grind", status: "active" });
      assert.deepEqual([again.done, again.skipped], [0, {}]);
    },
  ),

  defineCase(
    "operators/many-tasks",
    "Bulk acts reach every task that matches, also when there are more than one step takes.",
    async (scene) => {
      const store = scene.open();
      await Promise.all(range(230).map(() => newTask(store)));
      const { done, skipped } = await store.operations.cancelTasks({});
      assert.deepEqual([done, skipped], [230, {}]);
      const { counts } = await store.operations.stats();
      assert.deepEqual([counts.working, counts.cancelled], [0, 230]);
      const removals = [store, scene.open()].map((each) => ifSupported(each.operations.removeTasks({})));
      const [one, other] = await Promise.all(removals);
      if (!one || !other) return;
      assert.equal(one.value.done + other.value.done, 230, "A task was removed twice, or not at all");
      assert.deepEqual((await store.operations.listRecords()).records, []);
    },
  ),

  defineCase(
    "operators/remove-tasks",
    "`removeTasks` deletes the ended tasks that match, with their messages, and leaves active ones.",
    async (scene) => {
      const store = scene.open();
      const active = await newTask(store);
      const failed = await endedTask(store, "failed");
      const completed = await newTask(store);
      const lease = await store.acquireLease(completed, { leaseMs: LONG });
      await store.finishTask(completed, { status: "completed", result: RESULT }, { lease });
      await store.messages.enqueue(completed, message(1));
      await store.messages.enqueue(failed, message(2));
      const dry = await ifSupported(store.operations.removeTasks({}, { dryRun: true }));
      if (!dry) return;
      assert.deepEqual([dry.value.done, dry.value.skipped], [2, { active: 1 }]);
      assert.equal(await statusOf(store, completed), "completed");
      const outcome = await store.operations.removeTasks({ status: ["completed", "working"] });
      assert.deepEqual([outcome.done, outcome.skipped], [1, { active: 1 }]);
      assert.equal(await scene.open().getTask(completed), null);
      assert.equal(await store.messages.dequeue(completed), undefined);
      assert.notEqual(await store.messages.dequeue(failed), undefined);
      const { records } = await store.operations.listRecords();
      assert.deepEqual(
        records.map(({ task }) => task.taskId),
        [failed, active],
      );
      assert.deepEqual(
        (await store.listTasks()).tasks.map(({ taskId }) => taskId),
        [active, failed],
      );
      // The id is free again, and nothing of the first task is left.
      await newTask(store, { taskId: completed });
      const again = await store.operations.getRecord(completed);
      assert.deepEqual([again?.task.status, again?.result, again?.history], ["working", undefined, []]);
      const { records: all } = await store.operations.listRecords();
      assert.deepEqual(
        all.map(({ task }) => task.taskId),
        [completed, failed, active],
      );
    },
  ),

  defineCase(
    "operators/requeue",
    "`requeueTask` ends a lease at once: its runner writes no more, and another may claim the task.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store, { claimAfterMs: LONG });
      const lease = await store.acquireLease(taskId, { leaseMs: LONG });
      assert.equal(await claimedId(store), undefined);
      await scene.open().operations.requeueTask(taskId);
      await refused(store.updateTask(taskId, { statusMessage: "stale" }, { lease }), "LEASE_LOST");
      await refused(store.finishTask(taskId, { status: "completed", result: RESULT }, { lease }), "LEASE_LOST");
      const claimed = await store.claimTask(CLAIM);
      assert.equal(claimed?.lease.taskId, taskId);
      await store.finishTask(taskId, { status: "completed", result: RESULT }, { lease: claimed?.lease });
      await refused(store.operations.requeueTask(taskId), "TASK_TERMINAL");
      await refused(store.operations.requeueTask("no such task"), "TASK_NOT_FOUND");
      const fresh = await newTask(store, { claimAfterMs: LONG });
      await store.operations.requeueTask(fresh);
      assert.equal(await claimedId(store), fresh);
    },
  ),

  defineCase(
    "operators/rerun",
    "`rerunTask` makes a new task of an ended one's request and owner, and each names the other.",
    async (scene) => {
      const store = scene.open({ isolation: "strict" });
      const context = { trace: "t1" };
      const { taskId: first } = await store.createTask({ ttl: LONG, context }, 7, REQUEST, { owner: "ada" });
      await refused(store.operations.rerunTask(first), "INVALID_ARGUMENT");
      await store.storeTaskResult(first, "failed", RESULT, { owner: "ada" });
      const before = await recordOf(store, first);
      const again = await store.operations.rerunTask(first);
      assert.deepEqual(await recordOf(store, first), before, "A requestor sees a change of the first task");
      assert.notEqual(again.taskId, first);
      assert.equal(again.status, "working");
      const made = await store.operations.getRecord(again.taskId);
      assert.deepEqual(
        [made?.request, made?.requestId, made?.context, made?.owner, made?.rerunOf, made?.task.ttl],
        [REQUEST, 7, context, "ada", first, LONG],
      );
      const old = await store.operations.getRecord(first);
      assert.deepEqual([old?.task.status, old?.result, old?.rerunOf], ["failed", RESULT, undefined]);
      assert.deepEqual({ ...old?.history.at(-1), at: "" }, { at: "", event: "rerun", taskId: again.taskId });
      assert.equal(await claimedId(store), again.taskId);
      assert.equal(await claimedId(store), undefined);
      const changed = await store.operations.rerunTask(first, { arguments: { grain: "oat" }, taskId: "mine" });
      assert.equal(changed.taskId, "mine");
      const { request } = await recordOf(store, "mine");
      assert.deepEqual(request, { ...REQUEST, params: { name: "grind", arguments: { grain: "oat" } } });
      await refused(store.operations.rerunTask(first, { taskId: "mine" }), "TASK_EXISTS");
      await refused(store.operations.rerunTask("no such task"), "TASK_NOT_FOUND");
    },
  ),

  defineCase(
    "operators/answer-input",
    "An operator answers an open question of any owner's task, and no other.",
    async (scene) => {
      const store = scene.open({ isolation: "strict" });
      const taskId = await newTask(store, {}, "ada");
      await store.requestInputs(taskId, { fine: QUESTION }, { owner: "ada" });
      const answered = scene.soon(store.awaitInput(taskId, "fine", { owner: ANY_OWNER }));
      await refused(store.operations.answerInput(taskId, "coarse", {}), "INVALID_ARGUMENT");
      await scene.open().operations.answerInput(taskId, "fine", { action: "accept" });
      assert.deepEqual(await answered, { action: "accept" });
      assert.equal(await statusOf(store, taskId), "working");
      await refused(store.operations.answerInput(taskId, "fine", {}), "INVALID_ARGUMENT");
      await refused(store.operations.answerInput("no such task", "fine", {}), "TASK_NOT_FOUND");
    },
  ),

  defineCase(
    "operators/pause",
    "No handle claims tasks of a paused name until it is resumed; other names go on.",
    async (scene) => {
      const store = scene.open();
      const other = scene.open();
      const taskId = await newTask(other, { claimAfterMs: 0 });
      const { taskId: free } = await store.createTask({ name: "bake", claimAfterMs: 0, ttl: LONG });
      // A pause outlives the handle that made it.
      const brief = scene.open();
      if (!(await ifSupported(brief.operations.pauseClaims("grind")))) return;
      await brief.close();
      for (const each of [store, other]) await each.operations.pauseClaims("sow");
      await store.operations.resumeClaims("bake");
      assert.deepEqual(await other.operations.pausedNames(), ["grind", "sow"]);
      assert.equal(await claimedId(other), undefined);
      assert.equal(await claimedId(store), undefined);
      const claimed = await other.claimTasks({ names: ["grind", "bake"], leaseMs: LONG, limit: 5 });
      assert.deepEqual(
        claimed.map(({ lease }) => lease.taskId),
        [free],
      );
      const { names } = await store.operations.stats();
      assert.deepEqual([names["grind"]?.paused, names["bake"]?.paused], [true, false]);
      // The runner that the caller names itself is not a claim.
      const own = await newTask(store);
      await store.acquireLease(own, { leaseMs: LONG });
      await other.operations.resumeClaims("grind");
      assert.deepEqual(await store.operations.pausedNames(), ["sow"]);
      assert.equal(await claimedId(store), taskId);
    },
  ),

  defineCase(
    "operators/pause-of-processes",
    "A pause holds in every process.",
    async (scene) => {
      const store = scene.open();
      const remote = await scene.start();
      const taskId = await newTask(store, { claimAfterMs: 0 });
      if (!(await ifSupported(store.operations.pauseClaims("grind")))) return;
      assert.equal(await remote.call("claimTask", CLAIM), null);
      await remote.call("operations.resumeClaims", "grind");
      assert.equal(await claimedId(store), taskId);
    },
    ["multiProcess"],
  ),

  defineCase(
    "operators/stats",
    "Statistics count tasks by status, name and owner, and say what runs, what waits and for how long.",
    async (scene) => {
      const store = scene.open();
      const running = await newTask(store, { claimAfterMs: 0 }, "ada");
      await store.acquireLease(running, { leaseMs: LONG });
      await newTask(store, { claimAfterMs: 0 }, "ada");
      await newTask(store, { claimAfterMs: LONG });
      await endedTask(store, "completed");
      await endedTask(store, "failed");
      const { taskId: other } = await store.createTask({ name: "bake", ttl: LONG, claimAfterMs: LONG });
      await store.requestInputs(other, { fine: QUESTION });
      await scene.advance(30);
      const stats = await scene.open().operations.stats();
      assert.deepEqual(stats.counts, { working: 3, input_required: 1, completed: 1, failed: 1, cancelled: 0 });
      assert.deepEqual([stats.running, stats.claimable, stats.complete], [1, 1, true]);
      assert((stats.oldestClaimableMs ?? 0) >= 30, `The oldest waits for ${stats.oldestClaimableMs} ms`);
      assert.deepEqual(Object.keys(stats.names), ["bake", "grind"]);
      assert.equal(stats.names["grind"]?.counts.working, 3);
      assert.deepEqual([stats.owners["ada"]?.working, stats.owners[""]?.failed], [2, 1]);
      const { counts: ofAda } = await store.operations.stats({ owner: "ada" });
      assert.deepEqual([ofAda.working, ofAda.failed], [2, 0]);
      assert.equal(stats.minutes.length, 60);
      const ended = stats.minutes.reduce((sum, { completed, failed }) => sum + completed + failed, 0);
      assert.equal(ended, 2);
      assert(stats.scanned >= 6);
    },
  ),
];
