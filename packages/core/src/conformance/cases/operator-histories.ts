import assert from "node:assert/strict";
import type { Lease } from "../../contract/record.ts";
import { LONG, newTask, RESULT, range, recordOf, refused } from "../kit/assertions.ts";
import { defineCase } from "../kit/case.ts";

const CLAIM = { names: ["grind"], leaseMs: LONG };

export const operatorHistoryCases = [
  defineCase(
    "operators/holder",
    "The holder of a lease and what happened to a task are seen by operators, and by no requestor.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store, { claimAfterMs: 0 });
      const holder = { worker: "mill", version: "1.2.3" };
      const claimed = await store.claimTask({ ...CLAIM, holder });
      await refused(store.acquireLease(taskId, { leaseMs: LONG, holder: { worker: "thief" } }), "LEASE_HELD");
      const record = await scene.open().operations.getRecord(taskId);
      assert.deepEqual({ ...record?.holder, host: "" }, { host: "", pid: process.pid, ...holder });
      const { records } = await store.operations.listRecords({
        where: { holder: { worker: "mill", pid: process.pid } },
      });
      assert.deepEqual(
        records.map(({ task }) => task.taskId),
        [taskId],
      );
      assert.deepEqual((await store.operations.listRecords({ where: { holder: { worker: "windmill" } } })).records, []);
      await store.releaseLease(claimed?.lease as Lease, { error: "The mill stands still" });
      const lease = await store.acquireLease(taskId, { leaseMs: LONG, holder: { worker: "bakery" } });
      const again = await store.operations.getRecord(taskId);
      assert.deepEqual(
        again?.history.map((entry) => (entry.event === "taken" ? entry.holder.worker : entry.event)),
        ["mill", "given back", "bakery"],
      );
      assert.equal(again?.holder?.worker, "bakery");
      const why = again?.history.find(({ event }) => event === "given back");
      assert.deepEqual({ ...why, at: "" }, { at: "", event: "given back", error: "The mill stands still" });
      assert(again?.history.every(({ at }) => !Number.isNaN(Date.parse(at))));
      await store.finishTask(taskId, { status: "completed", result: RESULT }, { lease });
      const ended = await store.operations.getRecord(taskId);
      assert.equal(ended?.holder, undefined);
      assert.equal(ended?.history.length, 3);
      for (const seen of [await store.getTask(taskId), await recordOf(store, taskId)])
        assert(!JSON.stringify(seen).includes("bakery"), "A requestor's view has the holder");
    },
  ),

  defineCase(
    "operators/traced-runs",
    "A renewal may name the span of its run, which operators see after the run was lost, and no requestor.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store, { claimAfterMs: 0 });
      const claimed = await store.claimTask(CLAIM);
      const lease = claimed?.lease as Lease;
      const traceparent = `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01`;
      const before = await recordOf(store, taskId);
      await store.renewLease(lease, { traceparent });
      await store.renewLease(lease);
      await store.operations.requeueTask(taskId);
      await refused(store.renewLease(lease, { traceparent: traceparent.replaceAll("ab", "ef") }), "LEASE_LOST");
      await refused(store.renewLease(lease, { traceparent: "ab" }), "INVALID_ARGUMENT");
      const { history = [] } = (await scene.open().operations.getRecord(taskId)) ?? {};
      assert.deepEqual(
        history.map((entry) => (entry.event === "traced" ? entry.traceparent : entry.event)),
        ["taken", traceparent, "requeued"],
      );
      const after = await recordOf(store, taskId);
      assert.equal(after.revision, before.revision);
      assert(!JSON.stringify(after).includes(traceparent), "A requestor's view has the span");
    },
  ),

  defineCase("operators/holders-together", "Leases that are taken at once have each its own holder.", async (scene) => {
    const store = scene.open();
    const workers = ["mill", "windmill", "watermill"];
    for (const _ of range(6)) await newTask(store, { claimAfterMs: 0 });
    const named = await Promise.all(workers.map(() => newTask(store, { claimAfterMs: LONG })));
    const [claimed, acquired] = await Promise.all([
      Promise.all(workers.map((worker) => store.claimTasks({ ...CLAIM, holder: { worker }, limit: 2 }))),
      Promise.all(
        workers.map((worker, index) =>
          store.acquireLease(named[index] as string, { leaseMs: LONG, holder: { worker } }),
        ),
      ),
    ]);
    const holders = async (taskIds: readonly string[]) =>
      Promise.all(taskIds.map(async (taskId) => (await store.operations.getRecord(taskId))?.holder?.worker));
    assert(claimed.flat().length > 0);
    for (const [index, worker] of workers.entries()) {
      const taskIds = [...(claimed[index] ?? []).map(({ lease }) => lease), acquired[index]];
      assert.deepEqual(new Set(await holders(taskIds.map((lease) => lease?.taskId as string))), new Set([worker]));
    }
  }),

  defineCase(
    "operators/history-bound",
    "The history of a task has a bound, and keeps its last entries.",
    async (scene) => {
      const store = scene.open();
      const taskId = await newTask(store);
      const worker = "é".repeat(60);
      for (const turn of range(40)) {
        const lease = await store.acquireLease(taskId, { leaseMs: LONG, holder: { worker, version: `${turn}` } });
        await store.releaseLease(lease);
      }
      const { history = [] } = (await store.operations.getRecord(taskId)) ?? {};
      assert(history.length > 10 && history.length < 80, `It has ${history.length} entries`);
      assert.equal(history.at(-1)?.event, "given back");
      const last = history.at(-2);
      assert.deepEqual(last?.event === "taken" && [last.holder.version, last.holder.worker], ["39", worker]);
    },
  ),
];
