import assert from "node:assert/strict";
import type { Lease, TaskStore } from "../contract.ts";
import {
  endedTask,
  LONG,
  newTask,
  outcomes,
  QUESTION,
  REQUEST,
  RESULT,
  range,
  reasonOf,
  recordOf,
  refused,
  TERMINAL,
  winners,
} from "./assertions.ts";
import { defineCase } from "./case.ts";
import { eventsOf } from "./waiting.ts";

/** Everything that a runner writes under its lease. */
function fencedWrites(store: TaskStore, lease: Lease): (() => Promise<unknown>)[] {
  const { taskId } = lease;
  return [
    () => store.updateTask(taskId, { statusMessage: "stale" }, { lease }),
    () => store.updateTask(taskId, { status: "input_required" }, { lease }),
    () => store.updateTask(taskId, { checkpoint: "stale" }, { lease }),
    () => store.requestInputs(taskId, { stale: QUESTION }, { lease }),
    () => store.renewLease(lease),
    () => store.releaseLease(lease),
    () => store.finishTask(taskId, { status: "completed", result: { stale: true } }, { lease }),
    () => store.finishTask(taskId, { status: "failed", error: { code: 1, message: "stale" } }, { lease }),
  ];
}

const CLAIM = { names: ["grind"], durationMs: LONG };

export const leaseCases = [
  defineCase(
    "leases/acquire",
    "A runner takes a lease: its token, the attempt and the duration are told, and it may write under it.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const lease = await store.acquireLease(taskId, { durationMs: 50_000 });
      assert.deepStrictEqual({ ...lease, token: 0 }, { taskId, token: 0, attempt: 1, durationMs: 50_000 });
      assert(Number.isSafeInteger(lease.token) && lease.token > 0);
      assert.equal((await recordOf(store, taskId)).attempt, 1);
      await store.updateTask(taskId, { statusMessage: "half" }, { lease });
      await store.requestInputs(taskId, { a: QUESTION }, { lease });
      await store.renewLease(lease);
      await store.finishTask(taskId, { status: "completed", result: RESULT }, { lease });
      assert.deepStrictEqual(await store.getTaskResult(taskId), RESULT);
    },
  ),

  defineCase("leases/held", "A lease that another runner holds is not to be had.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store, { claimAfterMs: 0 });
    const lease = await store.acquireLease(taskId, { durationMs: LONG });
    assert.equal((await refused(scene.open().acquireLease(taskId), "LEASE_LOST")).taskId, taskId);
    assert.equal(await store.claimTask(CLAIM), null);
    await store.updateTask(taskId, { statusMessage: "mine" }, { lease });
    assert.equal((await recordOf(store, taskId)).attempt, 1);
  }),

  defineCase("leases/heartbeat", "A lease is renewed by heartbeat, for its duration from then on.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store);
    const durationMs = scene.span(1250);
    const lease = await store.acquireLease(taskId, { durationMs });
    await scene.advance(0.8 * durationMs);
    await store.renewLease(lease);
    // Beyond the first duration, with most of the second one left.
    await scene.advance(0.2 * durationMs);
    await refused(store.acquireLease(taskId), "LEASE_LOST");
    await scene.advance(0.8 * durationMs);
    assert.equal((await store.acquireLease(taskId)).attempt, 2);
  }),

  defineCase(
    "leases/lapse",
    "When a lease lapses another runner may take the task, with `attempt + 1` and a larger token.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      let last = await store.acquireLease(taskId, { durationMs: 100 });
      for (const attempt of [2, 3]) {
        await scene.advance(150);
        const next = await scene.open().acquireLease(taskId, { durationMs: 100 });
        assert.equal(next.attempt, attempt);
        assert(next.token > last.token, "The token did not grow");
        last = next;
      }
      assert.equal((await recordOf(store, taskId)).attempt, 3);
    },
  ),

  defineCase(
    "leases/fencing",
    "Once another runner has the task every write of the old one is refused with LEASE_LOST, and changes nothing.",
    async (scene) => {
      const [old, young] = [scene.open(), scene.open()];
      const taskId = await newTask(old);
      const stale = await old.acquireLease(taskId, { durationMs: 100 });
      await scene.advance(150);
      const lease = await young.acquireLease(taskId, { durationMs: LONG });
      const before = await recordOf(young, taskId);
      for (const write of fencedWrites(old, stale)) assert.equal((await refused(write(), "LEASE_LOST")).taskId, taskId);
      assert.deepStrictEqual(await recordOf(young, taskId), before);
      await young.finishTask(taskId, { status: "completed", result: RESULT }, { lease });
      for (const write of fencedWrites(old, stale)) {
        const error = (await reasonOf(write())) as { code: string };
        assert(["LEASE_LOST", "TASK_TERMINAL"].includes(error.code), error.code);
      }
      assert.deepStrictEqual(await young.getTaskResult(taskId), RESULT);
    },
  ),

  defineCase(
    "leases/unfenced-writers",
    "Writers without a token (plain SDK calls, cancel) are not fenced.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      await store.acquireLease(taskId, { durationMs: LONG });
      await store.updateTaskStatus(taskId, "working", "from the SDK");
      await store.requestInputs(taskId, { a: QUESTION });
      await store.provideInputs(taskId, { a: 1 });
      await store.cancelTask(taskId);
      const other = await newTask(store);
      await store.acquireLease(other, { durationMs: LONG });
      await store.storeTaskResult(other, "completed", RESULT);
      assert.deepStrictEqual(await store.getTaskResult(other), RESULT);
    },
  ),

  defineCase(
    "leases/release",
    "A lease that was given back writes no more, counts as no attempt, and another runner may take the task at once.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const first = await store.acquireLease(taskId, { durationMs: LONG });
      await store.releaseLease(first);
      for (const write of fencedWrites(store, first)) await refused(write(), "LEASE_LOST");
      const second = await store.claimTask(CLAIM);
      assert.equal(second?.lease.attempt, 1);
      assert(second.lease.token > first.token, "The token did not grow");
      await store.releaseLease(second.lease);
      assert((await store.acquireLease(taskId)).token > second.lease.token, "The token did not grow");
    },
  ),

  defineCase("leases/terminal", "A terminal task has no lease and cannot be leased.", async (scene) => {
    const store = scene.open();
    for (const status of TERMINAL) {
      const taskId = await endedTask(store, status, { claimAfterMs: 0 });
      await refused(store.acquireLease(taskId), "TASK_TERMINAL");
      assert.equal((await recordOf(store, taskId)).claimableAt, undefined);
    }
    const taskId = await newTask(store);
    const lease = await store.acquireLease(taskId, { durationMs: 50 });
    await store.cancelTask(taskId);
    await scene.advance(100);
    assert.equal(await store.claimTask(CLAIM), null);
    for (const call of [store.renewLease(lease), store.releaseLease(lease)]) await refused(call, "TASK_TERMINAL");
  }),

  defineCase("leases/of-another-task", "A lease is good for its own task only.", async (scene) => {
    const store = scene.open();
    const [one, two] = [await newTask(store), await newTask(store)];
    const lease = await store.acquireLease(one);
    await store.acquireLease(two);
    await refused(store.updateTask(two, { statusMessage: "x" }, { lease }), "INVALID_ARGUMENT");
    await refused(store.finishTask(two, { status: "completed", result: RESULT }, { lease }), "INVALID_ARGUMENT");
    assert.equal((await recordOf(store, two)).revision, 1);
  }),

  defineCase(
    "leases/are-not-changes",
    "Heartbeats are no change of the task: revision and `lastUpdatedAt` stay, and no event comes.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const before = await scene.soon(store.waitForTask(taskId, { until: "change" }));
      const { events, until } = await eventsOf(scene, store, taskId);
      await until(() => true);
      const lease = await store.acquireLease(taskId);
      await scene.advance(20);
      await store.renewLease(lease);
      const { task, revision } = await recordOf(store, taskId);
      assert.deepStrictEqual({ task, revision }, before);
      await store.updateTask(taskId, { statusMessage: "half" }, { lease });
      await until((event) => event.task.statusMessage === "half");
      assert.deepStrictEqual(
        events.map((event) => event.task.statusMessage),
        [undefined, "half"],
      );
    },
  ),

  defineCase(
    "leases/checkpoint",
    "A checkpoint is kept for whoever runs the task next; it is no change that a requestor sees, and leaves the rest as it is.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const lease = await store.acquireLease(taskId, { durationMs: 300 });
      await store.updateTask(taskId, { statusMessage: "half", checkpoint: { page: 7 } }, { lease });
      const before = await store.waitForTask(taskId, { until: "change" });
      await store.updateTask(taskId, { checkpoint: { page: 8 } }, { lease });
      assert.deepStrictEqual(await store.waitForTask(taskId, { until: "change" }), before);
      await store.updateTask(taskId, { statusMessage: "more" }, { lease });
      await scene.advance(400);
      const claimed = await scene.open().claimTask(CLAIM);
      assert.deepStrictEqual(claimed?.record.checkpoint, { page: 8 });
      assert.equal(claimed?.record.task.statusMessage, "more");
    },
  ),

  defineCase("leases/claimable-at", "The record says from when on a worker may claim the task.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store, { claimAfterMs: 5000 });
    const { task, claimableAt } = await recordOf(store, taskId);
    assert.equal(Date.parse(claimableAt ?? "") - Date.parse(task.createdAt), 5000);
    await store.acquireLease(taskId, { durationMs: LONG });
    const leased = Date.parse((await recordOf(store, taskId)).claimableAt ?? "") - Date.parse(task.createdAt);
    assert(leased >= LONG && leased < 2 * LONG, `${leased}`);
  }),

  defineCase(
    "leases/claim",
    "A claim hands over a task that no runner holds, with all that is needed to run it.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store, { claimAfterMs: 0, context: { user: 7 } }, "ada");
      await store.requestInputs(taskId, { a: QUESTION });
      await store.updateTask(taskId, { checkpoint: { page: 3 } });
      const claimed = await scene.open().claimTask({ names: ["other", "grind"], durationMs: 50_000 });
      assert(claimed, "There was nothing to claim");
      assert.deepStrictEqual(claimed.record, await recordOf(store, taskId));
      assert.deepStrictEqual([claimed.record.context, claimed.record.owner], [{ user: 7 }, "ada"]);
      const { token, ...lease } = claimed.lease;
      assert.deepStrictEqual(lease, { taskId, attempt: 1, durationMs: 50_000 });
      await store.finishTask(taskId, { status: "completed", result: RESULT }, { lease: claimed.lease });
      assert.equal(await store.claimTask(CLAIM), null);
    },
  ),

  defineCase(
    "leases/claim-by-name",
    "A claim takes only tasks of the names it was given: of tools, or of methods.",
    async (scene) => {
      const store = scene.open();
      const options = { ttl: LONG, claimAfterMs: 0 };
      const tool = await store.createTask(options, 1, { method: "tools/call", params: { name: "mill" } });
      const method = await store.createTask(options, 1, { method: "sampling/createMessage", params: { name: "mill" } });
      const claim = async (...names: string[]) => (await store.claimTask({ names, durationMs: LONG }))?.lease.taskId;
      assert.equal(await claim("grind", "tools/call", "Mill", "mil", "%"), undefined);
      assert.equal(await claim("a", "sampling/createMessage"), method.taskId);
      assert.equal(await claim("mill", "b"), tool.taskId);
      assert.equal(await claim("mill", "sampling/createMessage"), undefined);
    },
  ),

  defineCase(
    "leases/claim-after",
    "A task that was never leased may be claimed once it is older than its `claimAfterMs`, not before.",
    async (scene) => {
      const store = scene.open();
      const other = await newTask(store, { claimAfterMs: LONG });
      const claimAfterMs = scene.span(1000);
      const taskId = await newTask(store, { claimAfterMs });
      assert.equal(await store.claimTask(CLAIM), null);
      await scene.advance(claimAfterMs);
      assert.equal((await store.claimTask(CLAIM))?.lease.taskId, taskId);
      assert.equal(await store.claimTask(CLAIM), null);
      assert.equal((await store.acquireLease(other)).attempt, 1);
      const forWorkers = await scene.open({ claimAfterMs: 0 }).createTask({ ttl: LONG }, 1, REQUEST);
      assert.equal((await store.claimTask(CLAIM))?.lease.taskId, forWorkers.taskId);
    },
  ),

  defineCase(
    "leases/claim-of-the-dead",
    "A task whose runner died is claimed once its lease has lapsed, with `attempt + 1`.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const dead = await store.acquireLease(taskId, { durationMs: 300 });
      await store.updateTask(taskId, { statusMessage: "70 %" }, { lease: dead });
      await scene.advance(400);
      const claimed = await scene.open().claimTask(CLAIM);
      assert.deepStrictEqual([claimed?.lease.taskId, claimed?.lease.attempt, claimed?.record.attempt], [taskId, 2, 2]);
      assert((claimed?.lease.token ?? 0) > dead.token, "The token did not grow");
      assert.equal(claimed?.record.task.statusMessage, "70 %");
      await refused(store.updateTask(taskId, { statusMessage: "80 %" }, { lease: dead }), "LEASE_LOST");
    },
  ),

  defineCase("leases/claim-longest-waiting", "The task that has waited longest is claimed first.", async (scene) => {
    const store = scene.open();
    const tasks: { taskId: string; claimableAt: string | undefined }[] = [];
    for (const each of [900, 0, 300]) {
      const taskId = await newTask(store, { claimAfterMs: scene.span(each) });
      tasks.push({ taskId, claimableAt: (await recordOf(store, taskId)).claimableAt });
    }
    // The order of creation is another one, unless the machine is very slow.
    tasks.sort((a, b) => Date.parse(a.claimableAt ?? "") - Date.parse(b.claimableAt ?? ""));
    await scene.advance(scene.span(900));
    const claimed: (string | undefined)[] = [];
    for (const _ of tasks) claimed.push((await store.claimTask(CLAIM))?.lease.taskId);
    assert.deepStrictEqual(
      claimed,
      tasks.map(({ taskId }) => taskId),
    );
  }),

  defineCase("races/one-lease", "Of concurrent runners exactly one gets the lease of a task.", async (scene) => {
    const stores = [scene.open(), scene.open()] as const;
    const taskId = await newTask(stores[0]);
    const calls = range(12).map((n) => stores[n % 2 ? 1 : 0].acquireLease(taskId, { durationMs: LONG }));
    assert.equal(winners(await outcomes(calls), "LEASE_LOST").length, 1);
    assert.equal((await recordOf(stores[1], taskId)).attempt, 1);
  }),

  defineCase(
    "races/one-claim-per-task",
    "No task goes to two callers, and no claim comes back empty while there is one.",
    async (scene) => {
      const stores = [scene.open(), scene.open()] as const;
      const ids: string[] = [];
      for (const _ of range(8)) ids.push(await newTask(stores[0], { claimAfterMs: 0 }));
      const calls = range(16).map((n) => stores[n % 2 ? 1 : 0].claimTask(CLAIM));
      const claimed = (await Promise.all(calls)).flatMap((each) => each?.lease.taskId ?? []);
      // A claim may lose every race for a task while the last ones are handed out.
      for (let more = await stores[0].claimTask(CLAIM); more; more = await stores[0].claimTask(CLAIM))
        claimed.push(more.lease.taskId);
      assert.deepStrictEqual(claimed.toSorted(), ids.toSorted());
    },
  ),
];
