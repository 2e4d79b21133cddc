import assert from "node:assert/strict";
import type { TaskStore } from "../../contract/task-store.ts";
import {
  assertCode,
  begun,
  createTask,
  heldTask,
  LONG,
  message,
  newTask,
  outcomes,
  QUESTION,
  RESULT,
  range,
  recordOf,
  refused,
  walk,
} from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";
import type { Scene } from "../kit/scene.ts";
import { readers } from "./errors.ts";
import { writers } from "./states.ts";

/** Asserts that no call finds the task. */
async function assertGone(store: TaskStore, taskId: string): Promise<void> {
  assert.equal(await store.getTask(taskId), null);
  assert.equal(await store.getRecord(taskId), null);
  assert(!(await walk(store)).includes(taskId), "The list has an expired task");
}

/** A case about a wait that the expiry of its task has to end. */
function expiringWait(what: string, wait: (store: TaskStore, taskId: string) => Promise<unknown>) {
  return defineCase(
    `expiry/wakes-${what}`,
    "Expiry ends waits with TASK_EXPIRED, never with a made-up state.",
    async (scene) => {
      // A moved clock does not fire the store's timer, so the fallback poll has to find the expiry.
      const store = scene.open({ fallbackPollMs: 20 });
      const ttl = scene.span(1000);
      const lease = await heldTask(store, { ttl });
      const { taskId } = lease;
      await store.requestInputs(taskId, { q: QUESTION });
      const waiting = outcomes([wait(store, taskId), wait(store, taskId)]);
      // The waits have to see the task before it expires. Otherwise they could not tell it from an
      // unknown one.
      await begun(store, taskId);
      await store.releaseLease(lease);
      await scene.advance(ttl);
      for (const { error } of await scene.soon(waiting)) assert.equal(assertCode(error, "TASK_EXPIRED").taskId, taskId);
    },
  );
}

/** A case about one way to end a task: its ttl starts again then. */
function restart(what: string, end: (store: TaskStore, taskId: string) => Promise<unknown>) {
  return defineCase(
    `expiry/restarts-with-${what}`,
    "A task is gone `ttl` ms after it became terminal, not before.",
    async (scene) => {
      const store = scene.open();
      const ttl = scene.span(1600);
      const taskId = await newTask(store, { ttl });
      await scene.advance(ttl / 2);
      await end(store, taskId);
      await scene.advance(ttl / 2);
      assert((await store.getTask(taskId)) !== null, "Gone too early");
      await scene.advance(ttl / 2);
      await assertGone(store, taskId);
    },
  );
}

async function expiredTasks(scene: Scene, store: TaskStore, count: number): Promise<void> {
  for (const _ of range(count)) await newTask(store, { ttl: 20 });
  await scene.advance(60);
}

export const expiryCases = [
  defineCase(
    "expiry/wakes-in-time",
    "A wait ends within a moment of the expiry, even if the store polls rarely.",
    async (scene) => {
      const store = scene.open({ fallbackPollMs: 600_000 });
      // Timers follow the real time. On a slow machine, the shorter ttls may pass before their
      // waits begin.
      for (const ttl of [300, 1500, 6000]) {
        const taskId = await newTask(store, { ttl });
        const waits = [store.waitForTask(taskId), store.waitForResult(taskId)];
        const errors = (await scene.soon(outcomes<unknown>(waits), "The end of the waits")).map(({ error }) => error);
        if (errors.some((error) => error?.code === "TASK_NOT_FOUND")) continue;
        for (const error of errors) assert.equal(assertCode(error, "TASK_EXPIRED").taskId, taskId);
        return;
      }
      assert.fail("No wait began before the task expired");
    },
  ),

  defineCase(
    "expiry/null-is-forever",
    "A task never expires with a ttl of `null`, which is the default.",
    async (scene) => {
      const store = scene.open();
      const tasks = [await createTask(store, { ttl: null }), await store.createTask({}, 1, { method: "a" })];
      await scene.advance(1000);
      for (const { taskId, ttl } of tasks) {
        assert.equal(ttl, null);
        assert.equal((await store.getTask(taskId))?.ttl, null);
        await store.updateTaskStatus(taskId, "completed");
        assert.equal((await store.getTask(taskId))?.ttl, null);
      }
      assert.equal(await store.deleteExpired(), 0);
    },
  ),

  defineCase(
    "expiry/gone-after-ttl",
    "An unfinished task is gone `ttl` ms after creation, in any status, even if no sweep has run.",
    async (scene) => {
      const store = scene.open();
      const ttl = scene.span(1000);
      const kept = await newTask(store);
      const working = await newTask(store, { ttl });
      const asking = await newTask(store, { ttl });
      await store.requestInputs(asking, { q: QUESTION });
      await scene.advance(ttl);
      for (const taskId of [working, asking]) await assertGone(scene.open(), taskId);
      assert.deepStrictEqual(await walk(store), [kept]);
    },
  ),

  defineCase(
    "expiry/frees-its-key",
    "Once its task has expired or was removed, a dedupe key makes a new task.",
    async (scene) => {
      const store = scene.open();
      const ttl = scene.span(3000);
      const task = { name: "charge", dedupeKey: "order-17", ttl };
      const made: string[] = [];
      const create = async () => {
        const { taskId, created, createdAt } = await store.createTask(task);
        made.push(createdAt);
        return { taskId, created };
      };
      const { taskId } = await create();
      assert.equal((await create()).created, false);
      await scene.advance(ttl);
      assert.deepStrictEqual(await create(), { taskId, created: true });
      await store.cancelTask(taskId);
      await store.operations.removeTasks({ id: taskId });
      assert.equal((await create()).created, true);
      assert.equal((await create()).created, false);
      assert(made.toSorted().every((time, index) => time === made[index]));
    },
  ),

  defineCase(
    "expiry/gone-for-every-call",
    "An expired task is TASK_NOT_FOUND for every call, even if no sweep has run.",
    async (scene) => {
      const store = scene.open();
      const ttl = scene.span(1000);
      const taskId = await newTask(store, { ttl });
      const lease = await store.acquireLease(taskId, { leaseMs: ttl });
      await scene.advance(ttl);
      const calls = [...writers(store, taskId), ...readers(store, taskId), store.renewLease(lease)];
      for (const { error } of await scene.soon(outcomes(calls))) assertCode(error, "TASK_NOT_FOUND");
    },
  ),

  defineCase("expiry/terminal-goes-too", "Finished tasks and their results expire too.", async (scene) => {
    const store = scene.open();
    const ttl = scene.span(1000);
    const taskId = await newTask(store, { ttl });
    await store.storeTaskResult(taskId, "completed", RESULT);
    await scene.advance(ttl);
    await assertGone(store, taskId);
    await refused(store.getTaskResult(taskId), "TASK_NOT_FOUND");
    assert.equal(await store.deleteExpired(), 1);
  }),

  restart("a-result", (store, taskId) => store.storeTaskResult(taskId, "completed", RESULT)),
  restart("a-status", (store, taskId) => store.updateTaskStatus(taskId, "failed")),
  restart("a-cancel", (store, taskId) => store.cancelTask(taskId)),

  defineCase(
    "expiry/updates-keep-the-ttl",
    "Updates never drop a ttl: the task still goes `ttl` ms after creation.",
    async (scene) => {
      const store = scene.open();
      const ttl = scene.span(2000);
      const taskId = await newTask(store, { ttl });
      await store.updateTaskStatus(taskId, "working", "one");
      await store.requestInputs(taskId, { q: QUESTION });
      await store.provideInputs(taskId, { q: 1 });
      await store.releaseLease(await store.acquireLease(taskId, { leaseMs: 1 }));
      await scene.advance(ttl / 4);
      await store.updateTask(taskId, { statusMessage: "two" });
      assert.equal((await store.getTask(taskId))?.ttl, ttl);
      await scene.advance((3 * ttl) / 4);
      await assertGone(store, taskId);
    },
  ),

  defineCase("expiry/updates-never-shorten", "Updates never shorten a ttl.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store, { ttl: 60_000 });
    await store.renewLease(await store.acquireLease(taskId, { leaseMs: 10 }));
    await store.updateTaskStatus(taskId, "input_required", "a");
    await scene.advance(100);
    await store.updateTaskStatus(taskId, "working", "b");
    const { lease } = (await store.claimTask({ names: ["grind"], leaseMs: 10 })) ?? assert.fail("Nothing to claim");
    await store.releaseLease(lease);
    await scene.advance(100);
    assert.equal((await store.getTask(taskId))?.statusMessage, "b");
  }),

  defineCase("expiry/live-lease-keeps", "A task whose runner is alive does not expire under it.", async (scene) => {
    const store = scene.open();
    const ttl = scene.span(1000);
    const lease = await heldTask(store, { ttl });
    const { taskId } = lease;
    await scene.advance(ttl);
    assert.equal((await scene.open().getTask(taskId))?.status, "working");
    assert.deepStrictEqual(await walk(store), [taskId]);
    assert.equal(await store.deleteExpired(), 0);
    await store.finishTask(taskId, { status: "completed", result: RESULT }, { lease });
    assert.deepStrictEqual(await store.getTaskResult(taskId), RESULT);
  }),

  defineCase(
    "expiry/heartbeats-keep",
    "Heartbeats keep a task beyond its ttl; a lease that lapses lets it go.",
    async (scene) => {
      const store = scene.open();
      const leaseMs = scene.span(2000);
      const taskId = await newTask(store, { ttl: leaseMs / 2 });
      const lease = await store.acquireLease(taskId, { leaseMs });
      await scene.advance(leaseMs / 2);
      await store.renewLease(lease);
      await scene.advance(leaseMs / 2);
      assert.equal((await store.getTask(taskId))?.status, "working");
      await scene.advance(leaseMs / 2);
      await assertGone(store, taskId);
    },
  ),

  defineCase("expiry/released-late", "A task whose lease is given back after its ttl is gone.", async (scene) => {
    const store = scene.open();
    const ttl = scene.span(1000);
    const lease = await heldTask(store, { ttl });
    await scene.advance(ttl);
    await store.releaseLease(lease);
    await scene.advance(20);
    await assertGone(store, lease.taskId);
  }),

  defineCase(
    "expiry/claimed-task-is-kept",
    "A claim keeps a task from expiring, like every live lease.",
    async (scene) => {
      const store = scene.open();
      const ttl = scene.span(1000);
      const taskId = await newTask(store, { ttl, claimAfterMs: 0 });
      assert.equal((await store.claimTask({ names: ["grind"], leaseMs: LONG }))?.record.task.taskId, taskId);
      await scene.advance(ttl);
      assert.equal((await store.getTask(taskId))?.status, "working");
    },
  ),

  defineCase(
    "expiry/ttl-limits",
    "`limits.ttl` has default, min and max, and the task shows the ttl in force.",
    async (scene) => {
      const store = scene.open({ limits: { ttl: { default: 50_000, min: 10_000, max: 90_000 } } });
      const inForce: [number | null | undefined, number][] = [
        [undefined, 50_000],
        [0, 10_000],
        [15_000, 15_000],
        [100_000, 90_000],
        [null, 90_000],
      ];
      for (const [ttl, expected] of inForce) {
        const created = await store.createTask({ ttl }, 1, { method: "a" });
        assert.equal(created.ttl, expected);
        assert.equal((await store.getTask(created.taskId))?.ttl, expected);
      }
      const capped = scene.open({ limits: { ttl: { max: 100 } } });
      const { taskId } = await createTask(capped, { ttl: null });
      await scene.advance(200);
      await assertGone(capped, taskId);
    },
  ),

  defineCase("expiry/long-ttl", "A ttl above 2^31 ms works, and no timer fires early.", async (scene) => {
    const store = scene.open();
    for (const ttl of [2 ** 31, 2 ** 32 + 5, 2 ** 40]) {
      const { taskId, ...task } = await createTask(store, { ttl });
      assert.equal(task.ttl, ttl);
      const waiting = store.waitForTask(taskId, { timeoutMs: 2 ** 31 + 5 });
      await scene.advance(50);
      assert.equal(await store.deleteExpired(), 0);
      assert.equal((await store.getTask(taskId))?.ttl, ttl);
      await store.storeTaskResult(taskId, "completed", RESULT);
      assert.equal((await scene.soon(waiting)).task.status, "completed");
    }
  }),

  expiringWait("wait-for-task", (store, taskId) => store.waitForTask(taskId)),
  expiringWait("wait-for-result", (store, taskId) => store.waitForResult(taskId)),
  expiringWait("await-input", (store, taskId) => store.awaitInput(taskId, "q")),

  defineCase(
    "expiry/takes-everything",
    "Expiry deletes inputs, result and index entries, and a new task may use the id.",
    async (scene) => {
      const store = scene.open();
      const ttl = scene.span(1000);
      const ids = ["again", "again after a sweep"];
      for (const taskId of ids) {
        await heldTask(store, { taskId, ttl, claimAfterMs: 0 });
        await store.requestInputs(taskId, { q: QUESTION });
        await store.provideInputs(taskId, { q: "old" });
        await store.finishTask(taskId, { status: "completed", result: RESULT, statusMessage: "old" });
      }
      await scene.advance(ttl);
      for (const taskId of ids) {
        if (taskId === ids[1]) assert.equal(await store.deleteExpired(), 1);
        const { status, statusMessage } = await createTask(store, { taskId });
        assert.deepStrictEqual([status, statusMessage], ["working", undefined]);
        const { revision, attempt, result, inputRequests } = await recordOf(store, taskId);
        assert.deepStrictEqual(
          { revision, attempt, result, inputRequests },
          { revision: 1, attempt: 0, result: undefined, inputRequests: {} },
        );
        await refused(scene.soon(store.awaitInput(taskId, "q")), "INVALID_ARGUMENT");
        assert.equal((await walk(store)).filter((id) => id === taskId).length, 1);
        await store.cancelTask(taskId);
      }
    },
  ),

  defineCase(
    "expiry/sweep-is-bounded",
    "A sweep deletes at most `limit` tasks, returns their number, and repeated sweeps delete all.",
    async (scene) => {
      const store = scene.open();
      await expiredTasks(scene, store, 8);
      const counts = [];
      for (const _ of range(4)) counts.push(await store.deleteExpired({ limit: 3 }));
      assert.deepStrictEqual(counts, [3, 3, 2, 0]);
    },
  ),

  defineCase(
    "expiry/sweep-in-steps",
    "A sweep that takes several steps deletes at most `limit` tasks in all, and the next one the rest.",
    async (scene) => {
      const store = scene.open();
      await Promise.all(range(230).map(() => newTask(store, { ttl: 20 })));
      await scene.advance(60);
      assert.equal(await store.deleteExpired({ limit: 150 }), 150);
      assert.equal(await store.deleteExpired(), 80);
      assert.equal(await store.deleteExpired(), 0);
    },
  ),

  defineCase("expiry/sweep-spares-the-living", "A sweep deletes expired tasks and nothing else.", async (scene) => {
    const store = scene.open();
    const ttl = scene.span(1000);
    const { taskId } = await heldTask(store, { ttl });
    const kept = [await newTask(store), await newTask(store, { ttl: null }), taskId];
    await store.storeTaskResult(kept[0] as string, "completed", RESULT);
    await store.messages.enqueue("queue", message(1));
    await expiredTasks(scene, store, 3);
    await scene.advance(ttl);
    const records = await Promise.all(kept.map((taskId) => recordOf(store, taskId)));
    assert.equal(await store.deleteExpired(), 3);
    assert.deepStrictEqual(await Promise.all(kept.map((taskId) => recordOf(store, taskId))), records);
    assert.deepStrictEqual(await store.messages.dequeueAll("queue"), [message(1)]);
  }),

  defineCase(
    "expiry/sweeps-by-itself",
    "A store deletes expired tasks every `sweepIntervalMs`, and only then.",
    async (scene) => {
      const quiet = scene.open();
      await expiredTasks(scene, quiet, 40);
      assert.equal(await quiet.deleteExpired({ limit: 1 }), 1);
      const sweeping = scene.open({ sweepIntervalMs: 20 });
      await newTask(sweeping);
      let ours = 1;
      // Waits longer than the sweep interval, so the number that is left for this call shows
      // whether the store swept.
      while (true) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        const deleted = await quiet.deleteExpired({ limit: 1 });
        if (deleted === 0) break;
        ours += deleted;
      }
      assert(ours < 40, "No sweep has run");
    },
  ),

  defineCase("expiry/sweep-beside-writers", "A sweep never locks out writers.", async (scene) => {
    const [store, sweeper] = [scene.open(), scene.open()];
    await expiredTasks(scene, store, 50);
    const [deleted, created] = await Promise.all([
      Promise.all(range(5).map(() => sweeper.deleteExpired({ limit: 10 }))),
      Promise.all(range(20).map(() => newTask(store))),
    ]);
    await Promise.all(created.map((taskId) => store.updateTaskStatus(taskId, "completed")));
    const rest = await sweeper.deleteExpired();
    assert.equal(
      deleted.reduce((sum, count) => sum + count, rest),
      50,
    );
    assert.deepStrictEqual((await walk(store)).toSorted(), created.toSorted());
  }),

  defineCase("expiry/no-claim-after-expiry", "A claim never hands out an expired task.", async (scene) => {
    const store = scene.open();
    const ttl = scene.span(1000);
    await newTask(store, { ttl, claimAfterMs: 0 });
    const held = await newTask(store, { ttl });
    await store.acquireLease(held, { leaseMs: ttl });
    await scene.advance(ttl);
    assert.equal(await store.claimTask({ names: ["grind"] }), null);
  }),
];
