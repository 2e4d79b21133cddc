import assert from "node:assert/strict";
import type { Lease } from "../../contract/record.ts";
import type { TaskStore } from "../../contract/task-store.ts";
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
  snapshotOf,
  TERMINAL,
  winners,
} from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";
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

const CLAIM = { names: ["grind"], leaseMs: LONG };

export const leaseCases = [
  defineCase(
    "leases/acquire",
    "A lease has a token, an attempt and a duration, and its runner may write under it.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const lease = await store.acquireLease(taskId, { leaseMs: 50_000 });
      assert.deepStrictEqual({ ...lease, token: 0 }, { taskId, token: 0, attempt: 1, leaseMs: 50_000 });
      assert(Number.isSafeInteger(lease.token) && lease.token > 0);
      assert.equal((await recordOf(store, taskId)).attempt, 1);
      await store.updateTask(taskId, { statusMessage: "half" }, { lease });
      await store.requestInputs(taskId, { a: QUESTION }, { lease });
      await store.renewLease(lease);
      await store.finishTask(taskId, { status: "completed", result: RESULT }, { lease });
      assert.deepStrictEqual(await store.getTaskResult(taskId), RESULT);
    },
  ),

  defineCase("leases/held", "A lease that another runner holds cannot be acquired.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store, { claimAfterMs: 0 });
    const lease = await store.acquireLease(taskId, { leaseMs: LONG });
    assert.equal((await refused(scene.open().acquireLease(taskId), "LEASE_HELD")).taskId, taskId);
    assert.equal(await store.claimTask(CLAIM), null);
    await store.updateTask(taskId, { statusMessage: "mine" }, { lease });
    assert.equal((await recordOf(store, taskId)).attempt, 1);
  }),

  defineCase("leases/heartbeat", "A heartbeat renews a lease for its full duration.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store);
    const leaseMs = scene.span(1250);
    const lease = await store.acquireLease(taskId, { leaseMs });
    await scene.advance(0.8 * leaseMs);
    await store.renewLease(lease);
    // Past the end of the first duration, with most of the second one left.
    await scene.advance(0.2 * leaseMs);
    await refused(store.acquireLease(taskId), "LEASE_HELD");
    await scene.advance(0.8 * leaseMs);
    assert.equal((await store.acquireLease(taskId)).attempt, 2);
  }),

  defineCase(
    "leases/lapse",
    "Another runner may take the task when a lease lapses, with `attempt + 1` and a larger token.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      let last = await store.acquireLease(taskId, { leaseMs: 100 });
      for (const attempt of [2, 3]) {
        await scene.advance(150);
        const next = await scene.open().acquireLease(taskId, { leaseMs: 100 });
        assert.equal(next.attempt, attempt);
        assert(next.token > last.token, "The token did not grow");
        last = next;
      }
      assert.equal((await recordOf(store, taskId)).attempt, 3);
    },
  ),

  defineCase(
    "leases/fencing",
    "Every write of the old runner is refused with LEASE_LOST once another has the task, and changes nothing.",
    async (scene) => {
      const [old, young] = [scene.open(), scene.open()];
      const taskId = await newTask(old);
      const stale = await old.acquireLease(taskId, { leaseMs: 100 });
      await scene.advance(150);
      const lease = await young.acquireLease(taskId, { leaseMs: LONG });
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
    "leases/reused-id",
    "The lease of a task that is gone is void for a task that takes its id.",
    async (scene) => {
      const store = scene.open();
      await newTask(store, { taskId: "reused", ttl: scene.span(1500) });
      const stale = await store.acquireLease("reused", { leaseMs: scene.span(1500) });
      await scene.advance(scene.span(1600));
      await newTask(store, { taskId: "reused" });
      const lease = await store.acquireLease("reused", { leaseMs: LONG });
      for (const write of fencedWrites(store, stale)) await refused(write(), "LEASE_LOST");
      await store.renewLease(lease);
    },
  ),

  defineCase(
    "leases/unfenced-writers",
    "Writers without a token (plain SDK calls, cancel) are not fenced.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      await store.acquireLease(taskId, { leaseMs: LONG });
      await store.updateTaskStatus(taskId, "working", "from the SDK");
      await store.requestInputs(taskId, { a: QUESTION });
      await store.provideInputs(taskId, { a: 1 });
      await store.cancelTask(taskId);
      const other = await newTask(store);
      await store.acquireLease(other, { leaseMs: LONG });
      await store.storeTaskResult(other, "completed", RESULT);
      assert.deepStrictEqual(await store.getTaskResult(other), RESULT);
    },
  ),

  defineCase(
    "leases/release",
    "A lease given back allows no write, counts as no attempt, and lets another runner take the task at once.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const first = await store.acquireLease(taskId, { leaseMs: LONG });
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
    const lease = await store.acquireLease(taskId, { leaseMs: 50 });
    await store.cancelTask(taskId);
    await scene.advance(100);
    assert.equal(await store.claimTask(CLAIM), null);
    for (const call of [store.renewLease(lease), store.releaseLease(lease)]) await refused(call, "TASK_TERMINAL");
  }),

  defineCase("leases/of-another-task", "A lease is valid for its own task only.", async (scene) => {
    const store = scene.open();
    const [one, two] = [await newTask(store), await newTask(store)];
    const lease = await store.acquireLease(one);
    await store.acquireLease(two);
    await refused(store.updateTask(two, { statusMessage: "x" }, { lease }), "INVALID_ARGUMENT");
    await refused(store.finishTask(two, { status: "completed", result: RESULT }, { lease }), "INVALID_ARGUMENT");
    assert.equal((await recordOf(store, two)).revision, 1);
  }),

  defineCase(
    "leases/watch-claimable",
    "`watchClaimable` reports the name of each task that can be claimed at once, and of no other.",
    async (scene) => {
      const [store, writer] = [scene.open(), scene.open()];
      // `undefined` says that there may be tasks of any name. A name may come more than once.
      const told = (names: (string | undefined)[]) => [...new Set(names.filter((name) => name !== undefined))];
      const names: (string | undefined)[] = [];
      let heard: () => void = () => undefined;
      const hears = async (name: string) => {
        while (!names.includes(name)) await new Promise<void>((resolve) => (heard = resolve));
      };
      const stop = await store.watchClaimable((name) => {
        names.push(name);
        heard();
      });
      const { taskId } = await writer.createTask({ name: "later", ttl: LONG, claimAfterMs: LONG });
      await writer.createTask({ name: "first", ttl: LONG, claimAfterMs: 0 });
      await scene.soon(hears("first"));
      await store.createTask({ name: "own", ttl: LONG, claimAfterMs: 0 });
      await scene.soon(hears("own"));
      // The writes of a runner make no task claimable.
      const lease = await writer.acquireLease(taskId, { leaseMs: LONG });
      await writer.updateTask(taskId, { statusMessage: "half" }, { lease });
      await writer.storeTaskResult(taskId, "completed", RESULT);
      await writer.createTask({ name: "last", ttl: LONG, claimAfterMs: 0 });
      await scene.soon(hears("last"));
      assert.deepStrictEqual(told(names).sort(), ["first", "last", "own"]);
      stop();
      const left = names.length;
      const again = Promise.withResolvers<void>();
      const stopAgain = await store.watchClaimable((name) => name === "after" && again.resolve());
      await writer.createTask({ name: "after", ttl: LONG, claimAfterMs: 0 });
      await scene.soon(again.promise);
      assert.equal(names.length, left);
      stopAgain();
    },
  ),

  defineCase(
    "leases/watch-beside-waits",
    "In a store that watches for claimable tasks, a wait and a subscription hear of every change.",
    async (scene) => {
      const [store, writer] = [scene.open(), scene.open()];
      const stop = await store.watchClaimable(() => undefined);
      const taskId = await newTask(writer);
      const waits = (after: number) => scene.soon(store.waitForTask(taskId, { after, until: "change" }));
      const { revision } = await waits(0);
      const changed = waits(revision);
      await writer.updateTask(taskId, { statusMessage: "half" });
      assert.equal((await changed).task.statusMessage, "half");
      const { until } = await eventsOf(scene, store, taskId);
      await writer.updateTask(taskId, { statusMessage: "more" });
      await until((event) => event.task.statusMessage === "more");
      stop();
      await writer.storeTaskResult(taskId, "completed", RESULT);
      await until((event) => event.task.status === "completed");
    },
  ),

  defineCase(
    "leases/are-not-changes",
    "Heartbeats do not change the task: revision and `lastUpdatedAt` stay, and no event comes.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const before = await scene.soon(store.waitForTask(taskId, { until: "change" }));
      const { events, until } = await eventsOf(scene, store, taskId);
      await until(() => true);
      const lease = await store.acquireLease(taskId);
      await scene.advance(20);
      await store.renewLease(lease);
      assert.deepStrictEqual(snapshotOf(await recordOf(store, taskId)), snapshotOf(before));
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
    "A checkpoint is kept for the task's next runner; requestors see no change, and all else stays.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const lease = await store.acquireLease(taskId, { leaseMs: 300 });
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

  defineCase("leases/claimable-at", "The record says when a worker may claim the task.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store, { claimAfterMs: 5000 });
    const { task, claimableAt } = await recordOf(store, taskId);
    assert.equal(Date.parse(claimableAt ?? "") - Date.parse(task.createdAt), 5000);
    await store.acquireLease(taskId, { leaseMs: LONG });
    const leased = Date.parse((await recordOf(store, taskId)).claimableAt ?? "") - Date.parse(task.createdAt);
    assert(leased >= LONG && leased < 2 * LONG, `${leased}`);
  }),

  defineCase(
    "leases/claim",
    "A claim hands over a task that no runner holds, with everything needed to run it.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store, { claimAfterMs: 0, context: { user: 7 } }, "ada");
      await store.requestInputs(taskId, { a: QUESTION });
      await store.updateTask(taskId, { checkpoint: { page: 3 } });
      const claimed = await scene.open().claimTask({ names: ["other", "grind"], leaseMs: 50_000 });
      assert(claimed, "There was nothing to claim");
      assert.deepStrictEqual(claimed.record, await recordOf(store, taskId));
      assert.deepStrictEqual([claimed.record.context, claimed.record.owner], [{ user: 7 }, "ada"]);
      const { token, ...lease } = claimed.lease;
      assert.deepStrictEqual(lease, { taskId, attempt: 1, leaseMs: 50_000 });
      await store.finishTask(taskId, { status: "completed", result: RESULT }, { lease: claimed.lease });
      assert.equal(await store.claimTask(CLAIM), null);
    },
  ),

  defineCase(
    "leases/claim-by-name",
    "A claim takes only tasks of the given names, of tools or of methods.",
    async (scene) => {
      const store = scene.open();
      const options = { ttl: LONG, claimAfterMs: 0 };
      const tool = await store.createTask(options, 1, { method: "tools/call", params: { name: "mill" } });
      const method = await store.createTask(options, 1, { method: "sampling/createMessage", params: { name: "mill" } });
      const claim = async (...names: string[]) => (await store.claimTask({ names, leaseMs: LONG }))?.lease.taskId;
      assert.equal(await claim("grind", "tools/call", "Mill", "mil", "%"), undefined);
      assert.equal(await claim("a", "sampling/createMessage"), method.taskId);
      assert.equal(await claim("mill", "b"), tool.taskId);
      assert.equal(await claim("mill", "sampling/createMessage"), undefined);
    },
  ),

  defineCase(
    "leases/claim-several",
    "`claimTasks` takes up to `limit` tasks in one step, starting with the first to lapse.",
    async (scene) => {
      const [store, other] = [scene.open(), scene.open()];
      const taskIds: string[] = [];
      for (const _ of range(5)) {
        taskIds.push(await newTask(store, { claimAfterMs: 0 }));
        await scene.advance(2);
      }
      const mill = await store.createTask({ name: "mill", ttl: LONG, claimAfterMs: 0 });
      const three = await store.claimTasks({ ...CLAIM, limit: 3 });
      assert.deepStrictEqual(
        three.map(({ lease }) => lease.taskId),
        taskIds.slice(0, 3),
      );
      for (const { lease, record } of three) {
        assert.deepStrictEqual([record.request, record.attempt, lease.attempt], [REQUEST, 1, 1]);
        await refused(other.acquireLease(lease.taskId), "LEASE_HELD");
        await store.finishTask(lease.taskId, { status: "completed", result: RESULT }, { lease });
      }
      const rest = await other.claimTasks({ names: ["grind", "mill"], leaseMs: LONG, limit: 10 });
      assert.deepStrictEqual(
        new Set(rest.map(({ record }) => record.task.taskId)),
        new Set([...taskIds.slice(3), mill.taskId]),
      );
      assert.deepStrictEqual(await store.claimTasks({ ...CLAIM, limit: 2 }), []);
      // Concurrent claims share the claimable tasks.
      for (const _ of range(6)) await newTask(store, { claimAfterMs: 0 });
      const shared = await Promise.all([4, 1, 3].map((limit) => store.claimTasks({ ...CLAIM, limit })));
      assert(shared.every((tasks, index) => tasks.length <= ([4, 1, 3][index] as number)));
      assert.equal(new Set(shared.flat().map(({ lease }) => lease.taskId)).size, shared.flat().length);
      const left = await store.claimTasks({ ...CLAIM, limit: 10 });
      assert.equal(shared.flat().length + left.length, 6);
      for (const limit of [0, 1.5, Number.NaN])
        await refused(store.claimTasks({ ...CLAIM, limit }), "INVALID_ARGUMENT");
    },
  ),

  defineCase(
    "leases/claim-after",
    "A task that was never leased may be claimed only once it is older than its `claimAfterMs`.",
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
    "A task whose runner died may be claimed once its lease has lapsed, with `attempt + 1`.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const dead = await store.acquireLease(taskId, { leaseMs: 300 });
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
    // The order of creation differs from this one, unless the machine is very slow.
    tasks.sort((a, b) => Date.parse(a.claimableAt ?? "") - Date.parse(b.claimableAt ?? ""));
    await scene.advance(scene.span(900));
    const claimed: (string | undefined)[] = [];
    for (const _ of tasks) claimed.push((await store.claimTask(CLAIM))?.lease.taskId);
    assert.deepStrictEqual(
      claimed,
      tasks.map(({ taskId }) => taskId),
    );
  }),

  defineCase(
    "races/one-lease",
    "Exactly one of several concurrent runners gets the lease of a task.",
    async (scene) => {
      const stores = [scene.open(), scene.open()] as const;
      const taskId = await newTask(stores[0]);
      const calls = range(12).map((n) => stores[n % 2 ? 1 : 0].acquireLease(taskId, { leaseMs: LONG }));
      assert.equal(winners(await outcomes(calls), "LEASE_HELD").length, 1);
      assert.equal((await recordOf(stores[1], taskId)).attempt, 1);
    },
  ),

  defineCase(
    "races/one-claim-per-task",
    "No task goes to two callers, and no claim is empty while a task can be claimed.",
    async (scene) => {
      const stores = [scene.open(), scene.open()] as const;
      const ids: string[] = [];
      for (const _ of range(8)) ids.push(await newTask(stores[0], { claimAfterMs: 0 }));
      const calls = range(16).map((n) => stores[n % 2 ? 1 : 0].claimTask(CLAIM));
      const claimed = (await Promise.all(calls)).flatMap((each) => each?.lease.taskId ?? []);
      // While the last tasks are handed out, a claim may lose every race.
      for (let more = await stores[0].claimTask(CLAIM); more; more = await stores[0].claimTask(CLAIM))
        claimed.push(more.lease.taskId);
      assert.deepStrictEqual(claimed.toSorted(), ids.toSorted());
    },
  ),
];
