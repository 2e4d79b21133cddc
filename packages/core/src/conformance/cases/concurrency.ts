import assert from "node:assert/strict";
import type { ConcurrencyLimits } from "../../contract/options.ts";
import type { ClaimedTask } from "../../contract/record.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import { ifSupported, LONG, newTask, outcomes, QUESTION, RESULT, range, refused, winners } from "../kit/assertions.ts";
import { type CaseBody, defineCase } from "../kit/case.ts";
import type { RemoteCall } from "../kit/remote-store.ts";

/** A claim of tasks of the name `grind` under these limits. */
function within(limits: ConcurrencyLimits, limit = 1, leaseMs = LONG) {
  return { names: ["grind"], leaseMs, limit, concurrency: { grind: limits } };
}

async function claim(store: TaskStore, limits: ConcurrencyLimits, limit = 1): Promise<ClaimedTask[]> {
  return store.claimTasks(within(limits, limit));
}

/** Claims one task. It has to be there. */
async function claimOne(store: TaskStore, limits: ConcurrencyLimits, leaseMs = LONG): Promise<ClaimedTask> {
  const claimed = await store.claimTask({ names: ["grind"], leaseMs, concurrency: { grind: limits } });
  assert(claimed, "There was nothing to claim");
  return claimed;
}

async function waiting(store: TaskStore, count: number, owner?: string): Promise<string[]> {
  const ids: string[] = [];
  for (const _ of range(count)) ids.push(await newTask(store, { claimAfterMs: 0 }, owner));
  return ids;
}

const ownersOf = (claimed: readonly ClaimedTask[]) => claimed.map(({ record }) => record.owner ?? "");

/** A case that a backend without limits passes. */
const define = (id: string, contract: string, body: CaseBody, requires: Parameters<typeof defineCase>[3] = []) =>
  defineCase(
    id,
    contract,
    async (scene) => {
      const place = await scene.elsewhere();
      if (await ifSupported(claim(place.open(), { running: 1 }))) await body(scene);
    },
    requires,
  );

export const concurrencyCases = [
  define(
    "concurrency/per-name",
    "No more tasks of a name run than `running` says, whichever handle claims. Other names are free.",
    async (scene) => {
      const [store, other] = [scene.open(), scene.open()];
      for (const owner of ["ada", "grace", undefined]) await waiting(store, 2, owner);
      const { taskId: free } = await store.createTask({ name: "mill", ttl: LONG, claimAfterMs: 0 });
      assert.equal((await claim(store, { running: 3 }, 2)).length, 2);
      assert.equal((await claim(other, { running: 3 }, 5)).length, 1);
      assert.deepEqual(await claim(store, { running: 3 }, 5), []);
      assert.deepEqual(await claim(other, { running: 3 }), []);
      const mixed = await other.claimTasks({ ...within({ running: 3 }, 5), names: ["mill", "grind"] });
      assert.deepEqual(
        mixed.map(({ lease }) => lease.taskId),
        [free],
      );
      const mill = await store.createTask({ name: "mill", ttl: LONG, claimAfterMs: 0 });
      const limits = { mill: { running: 1 }, grind: { running: 4 } };
      const both = await other.claimTasks({ names: ["mill", "grind"], leaseMs: LONG, limit: 5, concurrency: limits });
      assert.equal(both.length, 2);
      assert(both.some(({ lease }) => lease.taskId === mill.taskId));
    },
  ),

  define(
    "concurrency/per-owner",
    "No more tasks of an owner run than `runningPerOwner` says; tasks without owner are those of one owner.",
    async (scene) => {
      const [store, other] = [scene.open(), scene.open()];
      for (const owner of ["ada", undefined, "grace"]) await waiting(store, 3, owner);
      const limits = { runningPerOwner: 2 };
      const claimed = [...(await claim(store, limits, 4)), ...(await claim(other, limits, 10))];
      assert.deepEqual(ownersOf(claimed).toSorted(), ["", "", "ada", "ada", "grace", "grace"]);
      assert.deepEqual(await claim(store, limits, 10), []);
      await waiting(store, 1, "alan");
      assert.deepEqual(ownersOf(await claim(other, limits, 10)), ["alan"]);
      // Both limits hold together.
      assert.equal((await claim(store, { running: 8, runningPerOwner: 3 }, 10)).length, 1);
      assert.deepEqual(await claim(store, { running: 8, runningPerOwner: 3 }, 10), []);
    },
  ),

  define(
    "concurrency/in-turn",
    "Owners that wait are served in turn, even if one has more and older tasks; of an owner's tasks the oldest is first.",
    async (scene) => {
      const [store, other] = [scene.open(), scene.open()];
      const many: string[] = [];
      for (const _ of range(6)) {
        many.push(...(await waiting(store, 1, "many")));
        await scene.advance(2);
      }
      for (const owner of ["ada", undefined]) await waiting(store, 2, owner);
      const limits = { running: 100 };
      const claimed: ClaimedTask[] = [];
      // A batch takes turns as single claims do.
      for (const [index, limit] of [1, 1, 1, 3, 1, 3].entries())
        claimed.push(...(await claim(index % 2 ? other : store, limits, limit)));
      const owners = ownersOf(claimed);
      assert.deepEqual(owners.slice(0, 3).toSorted(), ["", "ada", "many"]);
      assert.deepEqual(owners.slice(3, 6).toSorted(), ["", "ada", "many"]);
      assert.deepEqual(
        owners.slice(6),
        range(4).map(() => "many"),
      );
      const ofMany = claimed.filter(({ record }) => record.owner === "many");
      assert.deepEqual(
        ofMany.map(({ lease }) => lease.taskId),
        many,
      );
    },
  ),

  define(
    "concurrency/names-in-turn",
    "Names take turns in a claim, with limits and without, so that one's backlog does not keep others waiting.",
    async (scene) => {
      const store = scene.open();
      await waiting(store, 8);
      for (const _ of range(8)) await store.createTask({ name: "mill", ttl: LONG, claimAfterMs: 0 });
      const limits = { running: 100 };
      for (const concurrency of [{ grind: limits, mill: limits }, { grind: limits }, { mill: limits }]) {
        const names = new Set<string>();
        for (const _ of range(2)) {
          const claimed = await store.claimTask({ names: ["grind", "mill"], leaseMs: LONG, concurrency });
          names.add(claimed?.record.name ?? "none");
        }
        assert.deepEqual(names, new Set(["grind", "mill"]));
      }
    },
  ),

  define(
    "concurrency/frees-places",
    "A task that ends, is given back, is made claimable again, or whose lease lapses, leaves its place to the next.",
    async (scene) => {
      const store = scene.open();
      const other = scene.open();
      const limits = { running: 1, runningPerOwner: 1 };
      const ends: ((claimed: ClaimedTask) => Promise<unknown>)[] = [
        ({ lease }) => store.finishTask(lease.taskId, { status: "completed", result: RESULT }, { lease }),
        ({ lease }) => other.cancelTask(lease.taskId, { owner: "ada" }),
        ({ lease }) => store.storeTaskResult(lease.taskId, "failed", RESULT, "ada"),
        async ({ lease }) => {
          await store.releaseLease(lease);
          await other.acquireLease(lease.taskId, { leaseMs: LONG, owner: "ada" });
        },
        async ({ lease }) => {
          await other.operations.requeueTask(lease.taskId);
          await other.acquireLease(lease.taskId, { leaseMs: LONG, owner: "ada" });
        },
      ];
      await waiting(store, ends.length + 1, "ada");
      for (const end of ends) {
        const claimed = await claimOne(store, limits);
        await store.requestInputs(claimed.lease.taskId, { fine: QUESTION }, { lease: claimed.lease });
        assert.deepEqual(await claim(other, limits), []);
        await end(claimed);
      }
      const lapses = await claimOne(other, limits, scene.span(1500));
      assert.deepEqual(await claim(store, limits), []);
      await scene.advance(scene.span(1500));
      const again = await claimOne(store, limits);
      assert.deepEqual([again.lease.taskId, again.lease.attempt], [lapses.lease.taskId, 2]);
      await refused(store.renewLease(lapses.lease), "LEASE_LOST");
      assert.deepEqual(await claim(other, limits), []);
      // A task that was given back waits like any other one.
      await store.releaseLease(again.lease);
      assert.equal((await claimOne(other, limits)).lease.taskId, again.lease.taskId);
      assert.deepEqual(await claim(store, limits), []);
    },
  ),

  define("concurrency/renewed", "A task keeps its place for as long as its lease is renewed.", async (scene) => {
    const store = scene.open();
    const other = scene.open();
    await waiting(store, 2);
    // Connected before the lease runs.
    await other.listTasks();
    const leaseMs = scene.span(3000);
    const { lease } = await claimOne(store, { running: 1, runningPerOwner: 1 }, leaseMs);
    for (const _ of range(2)) {
      await scene.advance(leaseMs / 2);
      await store.renewLease(lease);
      assert.deepEqual(await claim(other, { running: 1 }), []);
      assert.deepEqual(await claim(other, { runningPerOwner: 1 }), []);
    }
  }),

  define(
    "concurrency/outlives-ttl",
    "A task that a claim with limits has taken does not expire while its lease lives.",
    async (scene) => {
      const store = scene.open();
      const ttl = scene.span(1000);
      const taskId = await newTask(store, { ttl, claimAfterMs: 0 });
      const { lease } = await claimOne(store, { running: 1 });
      await scene.advance(ttl);
      assert.equal((await scene.open().getTask(taskId))?.status, "working");
      await store.finishTask(taskId, { status: "completed", result: RESULT }, { lease });
    },
  ),

  define(
    "concurrency/reused-id",
    "A task that takes the id of an expired one does not have the place of that one.",
    async (scene) => {
      const store = scene.open();
      const limits = { running: 1, runningPerOwner: 1 };
      await newTask(store, { taskId: "reused", claimAfterMs: 0, ttl: scene.span(1500) });
      await claimOne(store, limits, scene.span(1500));
      await scene.advance(scene.span(1600));
      await newTask(store, { taskId: "reused", claimAfterMs: 0 });
      const [other] = await waiting(store, 1);
      await store.acquireLease("reused", { leaseMs: LONG });
      assert.equal((await claimOne(store, limits)).lease.taskId, other);
    },
  ),

  define(
    "concurrency/free-claims",
    "A claim without limits takes any task, and a task that was taken without limits fills no place.",
    async (scene) => {
      const store = scene.open();
      const taskIds = await waiting(store, 5);
      const free = { names: ["grind"], leaseMs: LONG };
      // Of tasks made in the same millisecond, any may be the first.
      const first = await store.claimTask(free);
      assert(first);
      const other = taskIds.find((taskId) => taskId !== first.lease.taskId) as string;
      await store.acquireLease(other, { leaseMs: LONG });
      assert.equal((await claim(store, { running: 1 }, 5)).length, 1);
      assert(await scene.open().claimTask(free));
      assert.equal((await store.claimTask({ ...free, concurrency: { grind: {} } }))?.lease.attempt, 1);
      assert.equal(await store.claimTask(free), null);
    },
  ),

  define(
    "concurrency/begins-later",
    "Limits hold for tasks made before the first claim with limits, and for those made after it.",
    async (scene) => {
      const store = scene.open();
      const [ended, first, second, third] = await waiting(store, 4, "ada");
      await store.cancelTask(ended as string, { owner: "ada" });
      const lease = await store.acquireLease(first as string, { leaseMs: LONG, owner: "ada" });
      const limits = { runningPerOwner: 2 };
      const [claimed] = await claim(store, limits);
      assert([second, third].includes(claimed?.lease.taskId));
      await store.releaseLease(lease);
      await waiting(store, 1, "ada");
      assert.equal((await claim(store, limits, 5)).length, 1);
      assert.deepEqual(await claim(store, limits, 5), []);
      assert.equal((await claim(store, { runningPerOwner: 10 }, 5)).length, 2);
    },
  ),

  define(
    "concurrency/beside-removed",
    "When tasks of an owner expire or are removed, claims with limits still take the owner's other ones.",
    async (scene) => {
      const store = scene.open();
      const limits = { running: 100 };
      // Limits are in use before the tasks come.
      assert.deepEqual(await claim(store, limits), []);
      const kept: string[] = [];
      for (const owner of ["ada", undefined]) {
        const [ended = "", ...others] = await waiting(store, 2, owner);
        await newTask(store, { claimAfterMs: 0, ttl: 20 }, owner);
        await store.cancelTask(ended, { owner });
        kept.push(...others);
      }
      await scene.advance(60);
      await store.deleteExpired();
      await ifSupported(scene.open().operations.removeTasks({ status: "cancelled" }));
      const claimed = await claim(store, limits, 10);
      assert.deepEqual(claimed.map(({ lease }) => lease.taskId).toSorted(), kept.toSorted());
    },
  ),

  define(
    "concurrency/claim-after",
    "A claim with limits takes no task before its `claimAfterMs` have passed, and no expired one.",
    async (scene) => {
      const store = scene.open();
      const limits = { running: 5 };
      const claimAfterMs = scene.span(1500);
      // The first claim with limits may have to prepare for those after it.
      assert.deepEqual(await claim(store, limits, 5), []);
      const taskId = await newTask(store, { claimAfterMs });
      await newTask(store, { claimAfterMs: 0, ttl: 20 });
      await scene.advance(60);
      assert.deepEqual(await claim(store, limits, 5), []);
      await scene.advance(claimAfterMs);
      const [claimed, none] = await claim(store, limits, 5);
      assert.deepEqual([claimed?.lease.taskId, none], [taskId, undefined]);
    },
  ),

  define("concurrency/pauses", "A claim with limits takes no task of a paused name.", async (scene) => {
    const store = scene.open();
    await waiting(store, 1);
    if (!(await ifSupported(store.operations.pauseClaims("grind")))) return;
    assert.deepEqual(await claim(scene.open(), { running: 5 }), []);
    await store.operations.resumeClaims("grind");
    assert.equal((await claim(scene.open(), { running: 5 })).length, 1);
  }),

  define(
    "concurrency/arguments",
    "Limits are whole numbers from 1 on, of names that the claim asks for. Otherwise nothing is claimed.",
    async (scene) => {
      const store = scene.open();
      await waiting(store, 1);
      for (const limits of [{ running: 0 }, { running: 1.5 }, { runningPerOwner: Number.NaN }, { runing: 1 }])
        await refused(claim(store, limits as ConcurrencyLimits), "INVALID_ARGUMENT");
      const wrongName = { names: ["grind"], concurrency: { grnd: { running: 1 } } };
      await refused(store.claimTask(wrongName), "INVALID_ARGUMENT");
      await refused(store.claimTask({ names: ["grind"], concurrency: 3 as never }), "INVALID_ARGUMENT");
      assert.equal((await claim(store, { running: 1 })).length, 1);
      // No limits for a name.
      await waiting(store, 1);
      assert.equal((await claim(store, undefined as never)).length, 1);
    },
  ),

  define(
    "races/claims-at-the-limit",
    "Exactly as many concurrent claims succeed at a limit as there is room for.",
    async (scene) => {
      const stores = [scene.open(), scene.open()] as const;
      for (const owner of ["ada", "grace"]) await waiting(stores[0], 8, owner);
      const limits = { running: 5, runningPerOwner: 3 };
      for (const _ of range(2)) {
        const calls = range(16).map((n) => claim(stores[n % 2 ? 1 : 0], limits, 1 + (n % 3)));
        const claimed = winners(await outcomes(calls), "INVALID_ARGUMENT").flat();
        assert.equal(new Set(claimed.map(({ lease }) => lease.taskId)).size, 5);
        assert.equal(claimed.length, 5);
        const owners = ownersOf(claimed);
        assert(
          ["ada", "grace"].every((owner) => owners.filter((each) => each === owner).length <= 3),
          `${owners}`,
        );
        const ends = claimed.map(({ lease }) => stores[0].releaseLease(lease));
        await Promise.all(ends);
      }
    },
  ),

  define(
    "processes/claims-at-the-limit",
    "Several processes together keep the limits of claims.",
    async (scene) => {
      const store = scene.open();
      for (const owner of ["ada", "grace"]) await waiting(store, 8, owner);
      const processes = await Promise.all([scene.start(), scene.start()]);
      const calls = range(8).map((): RemoteCall => ["claimTasks", within({ running: 5 })]);
      const at = Date.now() + 100;
      const races = processes.map((process) => process.race(at, calls));
      const settled = (await scene.soon(Promise.all(races), "The race")).flat();
      const claimed = winners(settled, "INVALID_ARGUMENT").flat() as ClaimedTask[];
      assert.equal(claimed.length, 5);
      assert.deepEqual(await claim(store, { running: 5 }), []);
    },
    ["multiProcess"],
  ),
];
