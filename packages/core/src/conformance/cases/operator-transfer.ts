import assert from "node:assert/strict";
import type { QueuedMessage } from "../../contract/messages.ts";
import type { ExportedTask } from "../../contract/operations.ts";
import { ANY_OWNER } from "../../contract/owner.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import { copyTasks } from "../../store/operations/copy.ts";
import {
  endedTask,
  exported,
  idOf,
  ifSupported,
  LONG,
  message,
  newTask,
  QUESTION,
  RESULT,
  range,
  recordOf,
  refused,
} from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";
import { quiet } from "../kit/quiet.ts";

/** What was exported, through the text of a file. */
function throughText(tasks: readonly ExportedTask[]): ExportedTask[] {
  return tasks.map((task) => JSON.parse(JSON.stringify(task)) as ExportedTask);
}

/** `undefined` if the backend cannot import, which its store says. */
async function imported(store: TaskStore, tasks: readonly ExportedTask[]) {
  try {
    return await store.operations.importTasks(tasks);
  } catch (error) {
    if ((error as { code?: unknown }).code === "NOT_SUPPORTED") return undefined;
    throw error;
  }
}

/** Tasks in every state, with all that a task can have. */
async function variety(store: TaskStore): Promise<string[]> {
  const waiting = await newTask(store, { claimAfterMs: 0, context: { trace: "é \u2028" } }, "ada");
  const held = await newTask(store, { ttl: null });
  const lease = await store.acquireLease(held, { leaseMs: LONG, holder: { worker: "mill" } });
  await store.updateTask(held, { statusMessage: 'half "done"', checkpoint: { at: [1, null] } }, { lease });
  const asking = await newTask(store);
  await store.requestInputs(asking, { fine: QUESTION, coarse: QUESTION });
  await store.provideInputs(asking, { coarse: { action: "accept" } });
  const completed = await endedTask(store, "completed");
  const cancelled = await endedTask(store, "cancelled");
  const failed = await newTask(store);
  await store.finishTask(failed, {
    status: "failed",
    error: { code: -32001, message: "No flour", data: ["x".repeat(20_000)] },
  });
  for (const id of range(3)) await store.messages.enqueue(asking, message(id));
  return [waiting, held, asking, completed, cancelled, failed];
}

export const operatorTransferCases = [
  defineCase(
    "operators/export-and-import",
    "An exported task is imported as it was, with its times, revision, token, inputs, checkpoint, outcome and messages.",
    async (scene) => {
      const store = scene.open();
      const ids = await variety(store);
      const tasks = await exported(store);
      assert.deepEqual(
        tasks.map(({ taskId }) => taskId),
        ids,
      );
      const place = await scene.elsewhere();
      const other = place.open();
      const outcome = await imported(other, throughText(tasks));
      if (!outcome) return;
      assert.deepEqual(outcome, { imported: 6, existing: 0 });
      for (const taskId of ids)
        assert.deepStrictEqual(await recordOf(other, taskId), await recordOf(store, taskId), "The record differs");
      assert.deepEqual(throughText(await exported(other)), throughText(tasks));
      assert.deepEqual(
        (await other.listTasks()).tasks.map(({ taskId }) => taskId),
        ids,
      );
      const [waiting = "", held = "", asking = ""] = ids;
      assert.equal((await other.getRecord(waiting))?.owner, "ada");
      assert.deepEqual(
        await other.messages.dequeueAll(asking),
        range(3).map((id) => message(id)),
      );
      // What goes on, goes on there.
      const lease = { taskId: held, token: tasks[1]?.leaseToken as number, attempt: 1, leaseMs: LONG };
      await other.finishTask(held, { status: "completed", result: RESULT }, { lease });
      assert.equal((await other.claimTask({ names: ["grind"] }))?.lease.taskId, waiting);
      await other.provideInputs(asking, { fine: { action: "accept" } }, { owner: ANY_OWNER });
      assert.equal((await other.getTask(asking))?.status, "working");
    },
  ),

  defineCase(
    "operators/export-messages",
    "An export has the messages of a task that have not expired, in their order, and those of no other task.",
    async (scene) => {
      const [store, brief] = [scene.open(), scene.open({ messageTtlMs: 50 })];
      const [taskId, other] = [await newTask(store), await newTask(store)];
      await store.messages.enqueue(other, message(0));
      for (const [id, queues] of [brief, store, brief, store].entries())
        await queues.messages.enqueue(taskId, message(id));
      await scene.advance(100);
      const tasks = await exported(store);
      const place = await scene.elsewhere();
      if (!(await imported(place.open(), throughText(tasks)))) return;
      assert.deepEqual(
        tasks.map(({ messages }) => messages.map((each) => idOf(each.message as QueuedMessage))),
        [[1, 3], [0]],
      );
    },
  ),

  defineCase(
    "operators/import-again",
    "An import that is begun again writes what is missing, and leaves what is there.",
    async (scene) => {
      const store = scene.open();
      const ids = [await newTask(store), await endedTask(store, "completed")];
      const tasks = throughText(await exported(store));
      const place = await scene.elsewhere();
      const other = place.open();
      if (!(await imported(other, tasks.slice(0, 1)))) return;
      await other.updateTask(ids[0] as string, { statusMessage: "goes on" });
      assert.deepEqual(await other.operations.importTasks(tasks), { imported: 1, existing: 1 });
      assert.deepEqual(await other.operations.importTasks(tasks), { imported: 0, existing: 2 });
      assert.equal((await other.getTask(ids[0] as string))?.statusMessage, "goes on");
      for (const wrong of [
        {},
        { ...tasks[0], format: 2 },
        { ...tasks[0], createdAt: "x" },
        { ...tasks[0], status: "x" },
      ])
        await refused(other.operations.importTasks([wrong as ExportedTask]), "INVALID_ARGUMENT");
      assert.equal((await other.operations.listRecords()).records.length, 2);
    },
  ),

  defineCase(
    "operators/import-in-use",
    "A store that has searched, counted and limited tasks before finds, counts and claims imported ones as well.",
    async (scene) => {
      const store = scene.open();
      const waiting = [
        await newTask(store, { claimAfterMs: 0 }, "ada"),
        await newTask(store, { claimAfterMs: 0 }, "ada"),
      ];
      const failed = await endedTask(store, "failed");
      await endedTask(store, "completed");
      const tasks = throughText(await exported(store));
      const place = await scene.elsewhere();
      const other = place.open({ limits: { activeTasks: 4 } });
      const found = async (status: "active" | "failed") => {
        const { records } = await other.operations.listRecords({ where: { status }, order: "oldest" });
        return records.map(({ task }) => task.taskId);
      };
      const claim = { names: ["grind"], leaseMs: LONG, limit: 5, concurrency: { grind: { running: 9 } } };
      const own = await newTask(other, { claimAfterMs: LONG });
      assert.deepEqual([await found("active"), await found("failed")], [[own], []]);
      const limited = await ifSupported(other.claimTasks(claim));
      if (!(await imported(other, tasks))) return;
      assert.deepEqual([await found("active"), await found("failed")], [[own, ...waiting], [failed]]);
      await newTask(other, { claimAfterMs: LONG });
      await refused(newTask(other), "LIMIT_EXCEEDED");
      if (!limited) return;
      const claimed = await other.claimTasks(claim);
      assert.deepEqual(claimed.map(({ lease }) => lease.taskId).toSorted(), waiting.toSorted());
    },
  ),

  defineCase(
    "operators/import-over-expired",
    "A task is imported even if an expired one, deleted or not, had its id.",
    async (scene) => {
      const store = scene.open();
      const ids = [await newTask(store), await newTask(store)];
      const tasks = throughText(await exported(store));
      const place = await scene.elsewhere();
      const other = place.open();
      for (const taskId of ids) await newTask(other, { taskId, ttl: 20 }, "ada");
      await place.advance(60);
      // A single one first, and beside it another expired task.
      const outcome = await imported(other, tasks.slice(0, 1));
      if (!outcome) return;
      assert.deepEqual(outcome, { imported: 1, existing: 0 });
      assert.deepEqual(await other.operations.importTasks(tasks), { imported: 1, existing: 1 });
      for (const taskId of ids) assert.deepStrictEqual(await recordOf(other, taskId), await recordOf(store, taskId));
      assert.equal((await other.operations.listRecords()).records.length, 2);
    },
  ),

  defineCase(
    "operators/copy",
    "A copy while both stores are in use moves what runs, so that only the second store has it, and may be begun again.",
    async (scene) => {
      const store = scene.open();
      const place = await scene.elsewhere();
      const other = place.open();
      const done = await endedTask(store, "completed");
      if (!(await imported(other, throughText(await exported(store))))) return;
      const held = await newTask(store);
      const lease = await store.acquireLease(held, { leaseMs: LONG });
      await store.updateTask(held, { checkpoint: { frame: 7 } }, { lease });
      assert.deepEqual(await copyTasks(store, other), { copied: 0, existing: 1, moved: 0, left: 1 });
      assert.equal(await other.getTask(held), null);
      const moved = await copyTasks(store, other, { active: "move" });
      assert.deepEqual(moved, { copied: 0, existing: 1, moved: 1, left: 0 });
      await refused(store.updateTask(held, { statusMessage: "stale" }, { lease }), "LEASE_LOST");
      const claimed = await other.claimTask({ names: ["grind"], leaseMs: LONG });
      assert.deepEqual([claimed?.lease.taskId, claimed?.record.checkpoint], [held, { frame: 7 }]);
      const again = await copyTasks(store, other, { active: "move" });
      assert.deepEqual(again, { copied: 0, existing: 2, moved: 0, left: 0 });
      assert.equal((await other.getTask(held))?.status, "working");
      assert.equal((await other.getTask(done))?.status, "completed");
    },
  ),

  defineCase(
    "operators/follow",
    "An export that follows has each task once, those too that others create at the same time.",
    async (scene) => {
      const store = scene.open();
      const writers = range(3).map(() => scene.open());
      const first = await newTask(store);
      const end = new AbortController();
      const seen: string[] = [];
      const { promise: complete, resolve } = Promise.withResolvers<void>();
      const follow = async () => {
        for await (const { taskId } of store.operations.exportTasks({ follow: true, pollMs: 5, signal: end.signal }))
          if (seen.push(taskId) === 61) resolve();
      };
      const following = quiet(follow());
      const made = await Promise.all(
        writers.map(async (writer) => {
          const ids: string[] = [];
          for (const _ of range(20)) ids.push(await newTask(writer));
          return ids;
        }),
      );
      await scene.soon(complete, "The last of the tasks");
      end.abort();
      await assert.rejects(following);
      assert.deepEqual(seen.toSorted(), [first, ...made.flat()].toSorted());
      assert.equal(seen[0], first);
    },
  ),
];
