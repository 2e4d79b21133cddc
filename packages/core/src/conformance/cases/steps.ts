import assert from "node:assert/strict";
import { isTaskStoreError } from "../../contract/errors.ts";
import type { ExportedTask } from "../../contract/operations.ts";
import { ANY_OWNER } from "../../contract/owner.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import { endedTask, heldTask, LONG, newTask, RESULT, range, recordOf, refused } from "../kit/assertions.ts";
import { type CaseBody, type ConformanceCase, defineCase } from "../kit/case.ts";
import { ODD_KEYS } from "./task-object.ts";

const CLAIM = { names: ["grind"], leaseMs: LONG };

/** A backend may keep no steps. All calls then say so, and there is nothing to prove. */
function defineStepCase(id: string, contract: string, body: CaseBody): ConformanceCase {
  return defineCase(id, contract, async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store);
    const refusal = await store.readSteps(taskId).then(
      () => undefined,
      (error: unknown) => error,
    );
    await store.cancelTask(taskId);
    if (refusal === undefined) return body(scene);
    if (!isTaskStoreError(refusal, "NOT_SUPPORTED")) throw refusal;
    const lease = await heldTask(store, {});
    const step = { name: "sow", result: 1 };
    await refused(store.updateTask(lease.taskId, { step }, { lease }), "NOT_SUPPORTED");
    await refused(store.releaseLease(lease, { step }), "NOT_SUPPORTED");
  });
}

async function resultsOf(store: TaskStore, taskId: string): Promise<Record<string, unknown>> {
  return Object.fromEntries((await store.readSteps(taskId, { owner: ANY_OWNER })).results);
}

export const stepCases = [
  defineStepCase(
    "steps/are-kept",
    "A runner keeps the results of steps one by one; the next one reads them, and no requestor does.",
    async (scene) => {
      const store = scene.open();
      const lease = await heldTask(store, { ttl: LONG });
      const { taskId } = lease;
      const before = await recordOf(store, taskId);
      const results: Record<string, unknown> = {
        sow: { grain: "rye", odd: "\0 \ud800", deep: [[{}]] },
        reap: null,
        thresh: "x".repeat(100_000),
        nothing: undefined,
      };
      for (const [name, result] of Object.entries(results))
        await store.updateTask(taskId, { step: { name, result } }, { lease });
      const other = scene.open();
      assert.deepStrictEqual(await resultsOf(other, taskId), results);
      assert.equal((await other.readSteps(taskId)).failures, 0);
      assert.deepStrictEqual(await recordOf(other, taskId), before, "A step is a change that requestors see");
      await store.updateTask(taskId, { statusMessage: "reaped", step: { name: "reap", result: 7 } }, { lease });
      assert.deepStrictEqual(await resultsOf(other, taskId), { ...results, reap: 7 });
      assert.equal((await other.getTask(taskId))?.statusMessage, "reaped");
      const elsewhere = await newTask(store);
      assert.deepStrictEqual(await resultsOf(store, elsewhere), {});
    },
  ),

  defineStepCase(
    "steps/are-fenced",
    "A runner that lost its lease, and one whose task has ended, keep no step.",
    async (scene) => {
      const store = scene.open();
      const lost = await heldTask(store, {});
      const { taskId } = lost;
      await store.updateTask(taskId, { step: { name: "sow", result: 1 } }, { lease: lost });
      await store.operations.requeueTask(taskId);
      const lease = await store.acquireLease(taskId, { leaseMs: LONG });
      for (const name of ["sow", "reap"]) {
        await refused(store.updateTask(taskId, { step: { name, result: 2 } }, { lease: lost }), "LEASE_LOST");
        await refused(store.releaseLease(lost, { step: { name, result: 2 } }), "LEASE_LOST");
      }
      await store.finishTask(taskId, { status: "completed", result: RESULT }, { lease });
      await refused(store.updateTask(taskId, { step: { name: "reap", result: 3 } }, { lease }), "TASK_TERMINAL");
      assert.deepStrictEqual(await resultsOf(store, taskId), { sow: 1 });
      await refused(store.readSteps("unknown"), "TASK_NOT_FOUND");
      await refused(store.updateTask("unknown", { step: { name: "sow", result: 1 } }), "TASK_NOT_FOUND");
    },
  ),

  defineStepCase(
    "steps/names",
    "The name of a step is any string of 1 to 512 characters, and its result any JSON.",
    async (scene) => {
      const store = scene.open({ limits: { payloadBytes: 1000 } });
      const lease = await heldTask(store, {});
      const { taskId } = lease;
      const names = [...ODD_KEYS, "n".repeat(512), "step:", "Sow", "sow"];
      for (const [result, name] of names.entries())
        await store.updateTask(taskId, { step: { name, result } }, { lease });
      const { results } = await scene.open().readSteps(taskId);
      assert.deepStrictEqual(
        new Map([...results].sort()),
        new Map(names.map((name, at) => [name, at] as const).sort()),
      );
      for (const name of ["", "n".repeat(513), "a\0b", "\ud800", 7 as never])
        await refused(store.updateTask(taskId, { step: { name, result: 1 } }, { lease }), "INVALID_ARGUMENT");
      for (const result of [1n, Number.NaN, () => undefined])
        await refused(store.updateTask(taskId, { step: { name: "new", result } }, { lease }), "INVALID_ARGUMENT");
      const large = { name: "new", result: "x".repeat(1000) };
      await refused(store.updateTask(taskId, { statusMessage: "no", step: large }, { lease }), "PAYLOAD_TOO_LARGE");
      await refused(store.releaseLease(lease, { step: large }), "PAYLOAD_TOO_LARGE");
      assert.equal((await store.readSteps(taskId)).results.has("new"), false);
      assert.equal((await store.getTask(taskId))?.statusMessage, undefined);
    },
  ),

  defineStepCase(
    "steps/end-with-their-task",
    "Steps are gone with their task, and a new task of the same id has none.",
    async (scene) => {
      const store = scene.open();
      const ttl = scene.span(1500);
      const again = async (options: object) => {
        const lease = await store.acquireLease(await newTask(store, { taskId: "same", ...options }), { leaseMs: ttl });
        assert.deepStrictEqual(await resultsOf(store, "same"), {});
        await store.updateTask("same", { step: { name: "sow", result: 1 } }, { lease });
        return lease;
      };
      await again({ ttl });
      await scene.advance(ttl);
      await refused(store.readSteps("same"), "TASK_NOT_FOUND");
      // Once in place of the expired task, and once after a sweep has deleted it.
      await again({ ttl });
      await scene.advance(ttl);
      assert.equal(await store.deleteExpired(), 1);
      await again({});
      await store.cancelTask("same");
      await store.operations.removeTasks({ id: "same" });
      await again({});
      assert.deepStrictEqual(await resultsOf(store, "same"), { sow: 1 });
    },
  ),

  defineStepCase("steps/isolation", "A task's steps are as invisible to another owner as the task.", async (scene) => {
    const store = scene.open();
    const taskId = await newTask(store, {}, "ada");
    await refused(store.readSteps(taskId, { owner: "bob" }), "TASK_NOT_FOUND");
    assert.equal((await store.readSteps(taskId, { owner: "ada" })).failures, 0);
  }),

  defineStepCase(
    "steps/given-back-for-a-time",
    "A lease given back with a delay leaves a step or a count of failures, and no claim takes the task before.",
    async (scene) => {
      const store = scene.open();
      const other = scene.open();
      const delayMs = scene.span(2000);
      const taskId = await newTask(store, { claimAfterMs: 0 });
      // Connected before the delay runs.
      await other.listTasks();
      const first = await store.claimTask(CLAIM);
      assert(first);
      await store.releaseLease(first.lease, { delayMs, step: { name: "nap", result: undefined } });
      assert.equal(await other.claimTask(CLAIM), null, "A claim took it too early");
      await refused(other.acquireLease(taskId), "LEASE_HELD");
      await refused(other.updateTask(taskId, { statusMessage: "late" }, { lease: first.lease }), "LEASE_LOST");
      const { holder, stuck, history } = (await other.operations.getRecord(taskId)) ?? {};
      assert.deepStrictEqual([holder, stuck], [undefined, undefined], "Operators see a runner");
      assert.deepStrictEqual({ ...history?.at(-1), at: "" }, { at: "", event: "given back", delayMs });
      await scene.advance(delayMs);
      const second = await other.claimTask(CLAIM);
      assert(second);
      assert.deepStrictEqual([second.lease.taskId, second.lease.attempt], [taskId, 1]);
      assert.deepStrictEqual(await resultsOf(other, taskId), { nap: undefined });
      await other.releaseLease(second.lease, { delayMs: LONG, error: "No wind", failures: 1 });
      assert.equal((await store.readSteps(taskId)).failures, 1);
      assert.deepStrictEqual(await resultsOf(store, taskId), { nap: undefined });
      // An operator need not wait.
      await store.operations.requeueTask(taskId);
      const third = await other.claimTask(CLAIM);
      assert.equal(third?.lease.attempt, 1);
      assert((third?.lease.token ?? 0) > second.lease.token);
    },
  ),

  defineStepCase(
    "steps/outlives-its-delay",
    "A task that was given back for longer than its ttl is there when the time is over.",
    async (scene) => {
      const store = scene.open();
      const ttl = scene.span(1500);
      const taskId = await newTask(store, { claimAfterMs: 0, ttl });
      const claimed = await store.claimTask(CLAIM);
      assert(claimed);
      await store.releaseLease(claimed.lease, { delayMs: ttl + scene.span(500) });
      await scene.advance(ttl + scene.span(500));
      assert.equal((await scene.open().claimTask(CLAIM))?.lease.taskId, taskId);
    },
  ),

  defineStepCase(
    "steps/lost-and-failed",
    "Lost runners count as attempts and failed attempts do not, in any order of the two.",
    async (scene) => {
      const store = scene.open();
      const leaseMs = scene.span(1500);
      const taskId = await newTask(store, { claimAfterMs: 0 });
      const lose = async () => {
        assert((await store.claimTask({ ...CLAIM, leaseMs }))?.lease.taskId === taskId);
        await scene.advance(leaseMs);
      };
      const fail = async (failures: number) => {
        const claimed = await store.claimTask({ ...CLAIM, leaseMs: LONG });
        assert(claimed);
        await store.releaseLease(claimed.lease, { failures, delayMs: 0 });
        return claimed.lease.attempt;
      };
      await lose();
      assert.equal(await fail(1), 2);
      await lose();
      assert.equal(await fail(2), 3);
      assert.equal(await fail(3), 3);
      assert.equal((await store.readSteps(taskId)).failures, 3);
      const stats = await store.operations.stats();
      assert.equal(stats.names["grind"]?.running, 0, "A task that no runner holds counts as running");
      const claimed = await store.claimTask(CLAIM);
      assert.equal(claimed?.lease.attempt, 3);
      assert.equal((await scene.open().operations.stats()).names["grind"]?.running, 1);
    },
  ),

  defineStepCase(
    "steps/move-with-their-task",
    "An exported task has its steps, and an import writes them.",
    async (scene) => {
      const store = scene.open();
      const lease = await heldTask(store, {});
      for (const n of range(3))
        await store.updateTask(lease.taskId, { step: { name: `n${n}`, result: { n } } }, { lease });
      await store.releaseLease(lease, { failures: 2 });
      await endedTask(store, "completed");
      const tasks: ExportedTask[] = [];
      for await (const task of store.operations.exportTasks()) tasks.push(task);
      const other = (await scene.elsewhere()).open();
      await other.operations.importTasks(JSON.parse(JSON.stringify(tasks)));
      assert.deepStrictEqual(await resultsOf(other, lease.taskId), { n0: { n: 0 }, n1: { n: 1 }, n2: { n: 2 } });
      assert.equal((await other.readSteps(lease.taskId)).failures, 2);
      for (const steps of [[{ name: "x" }], [{ name: 7, body: {} }], [{ name: "", body: { failures: -1 } }], {}])
        await refused(
          other.operations.importTasks([{ ...tasks[0], taskId: "new", steps } as never]),
          "INVALID_ARGUMENT",
        );
    },
  ),
];
