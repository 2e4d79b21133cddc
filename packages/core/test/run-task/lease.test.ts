import { ANY_OWNER, runTask, type TaskStore, TaskStoreError } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { code } from "../../../../tooling/test/fixtures/errors.ts";
import { aborted, untilAborted } from "../../../../tooling/test/fixtures/events.ts";
import { stores, withMethods } from "../../../../tooling/test/fixtures/stores.ts";
import { DONE, held, useScene } from "./support.ts";

describe.each(stores)("runTask over $name", (kind) => {
  const scene = useScene(kind);

  describe("lease", () => {
    test("one of two runners runs the task", async () => {
      const taskId = await scene.newTask();
      const { handler, finish } = held();
      const { outcome } = await scene.start(taskId, handler);
      let ran = false;
      const second = runTask(scene.other, taskId, () => {
        ran = true;
        return {};
      });
      expect(await second).toEqual({ stored: false, status: undefined, reason: code("LEASE_HELD") });
      expect(ran).toBe(false);
      finish(DONE);
      expect(await outcome).toMatchObject({ stored: true });
    });

    test("a stalled runner aborts with LEASE_LOST and writes nothing more", async () => {
      const taskId = await scene.newTask();
      const { runner, resume } = scene.stalled();
      const { handler, finish } = held();
      const { task, outcome } = await scene.start(taskId, handler, { leaseMs: 10_000, heartbeatMs: 1 }, runner);
      await scene.place.skip(10_001);
      const second = held();
      const takenOver = await scene.start(taskId, second.handler, {}, scene.other);
      expect(takenOver.task.attempt).toBe(2);
      expect(task.signal.aborted).toBe(false);
      const before = await scene.record(taskId);

      resume();
      expect(await aborted(task.signal)).toEqual(code("LEASE_LOST"));
      expect(await task.progress("late")).toBe(false);
      finish({ by: "the first" });
      expect(await outcome).toEqual({
        stored: false,
        status: "working",
        result: { by: "the first" },
        reason: code("LEASE_LOST"),
      });
      expect(await scene.record(taskId)).toEqual(before);

      second.finish({ by: "the second" });
      expect(await takenOver.outcome).toMatchObject({ stored: true });
      expect(await scene.other.getTaskResult(taskId)).toEqual({ by: "the second" });
    });

    test("a stalled runner's late result is refused even before the runner learns of the loss", async () => {
      const taskId = await scene.newTask();
      const { runner } = scene.stalled();
      const { handler, finish } = held();
      const { outcome } = await scene.start(taskId, handler, { leaseMs: 10_000, heartbeatMs: 1 }, runner);
      await scene.place.skip(10_001);
      const second = held();
      const takenOver = await scene.start(taskId, second.handler, {}, scene.other);
      finish({ by: "the first" });
      expect(await outcome).toMatchObject({ stored: false, result: { by: "the first" }, reason: code("LEASE_LOST") });
      second.finish({ by: "the second" });
      await takenOver.outcome;
      expect(await scene.other.getTaskResult(taskId)).toEqual({ by: "the second" });
    });

    test("the signal aborts when an outage outlasts the lease", async () => {
      const taskId = await scene.newTask();
      const renewLease = () => Promise.reject(new TaskStoreError("BACKEND_UNAVAILABLE", "down"));
      const { outcome } = await scene.start(
        taskId,
        untilAborted,
        { leaseMs: 50, heartbeatMs: 5 },
        withMethods(scene.store, { renewLease }),
      );
      expect(await outcome).toMatchObject({ stored: false, reason: code("LEASE_LOST") });
    });

    test("heartbeats keep a task that takes longer than its ttl from expiring", async () => {
      const taskId = await scene.newTask({ ttl: 10_000 });
      let renewed = Promise.withResolvers<void>();
      const renewLease: TaskStore["renewLease"] = async (lease) => {
        const told = renewed;
        await scene.store.renewLease(lease);
        told.resolve();
      };
      const { handler, finish } = held();
      const runner = withMethods(scene.store, { renewLease });
      const { outcome } = await scene.start(taskId, handler, { leaseMs: 10_000, heartbeatMs: 5 }, runner);
      for (let skipped = 0; skipped < 50_000; skipped += 5_000) {
        await scene.place.skip(5_000);
        renewed = Promise.withResolvers<void>();
        await renewed.promise;
      }
      expect(await scene.other.getTask(taskId)).toMatchObject({ status: "working", ttl: 10_000 });
      finish(DONE);
      expect(await outcome).toMatchObject({ stored: true, status: "completed" });
      await scene.place.skip(5_000);
      expect(await scene.other.getTaskResult(taskId)).toEqual(DONE);
      await scene.place.skip(5_001);
      expect(await scene.other.getTask(taskId)).toBeNull();
    });

    test("a lease of another task is refused, and nothing is written", async () => {
      const [taskId, elsewhere] = [await scene.newTask(), await scene.newTask()];
      const lease = await scene.store.acquireLease(elsewhere, { owner: ANY_OWNER });
      const before = await scene.record(elsewhere);
      expect(() => runTask(scene.store, taskId, () => DONE, { lease })).toThrow(code("INVALID_ARGUMENT"));
      expect(await scene.record(elsewhere)).toEqual(before);
    });

    test("a lease that was acquired before is used with its duration", async () => {
      const taskId = await scene.newTask();
      const lease = await scene.store.acquireLease(taskId, { owner: ANY_OWNER, leaseMs: 5_000 });
      const { task, outcome } = await scene.start(taskId, () => DONE, { lease });
      expect(task.attempt).toBe(lease.attempt);
      expect(await outcome).toMatchObject({ stored: true });
      expect((await scene.record(taskId)).attempt).toBe(1);
    });
  });

  test("an unknown task resolves with TASK_NOT_FOUND, and no handler runs", async () => {
    const outcome = await runTask(scene.store, "missing", () => expect.unreachable());
    expect(outcome).toEqual({ stored: false, status: undefined, reason: code("TASK_NOT_FOUND") });
  });

  test.each([
    ["a lease of no duration", { leaseMs: 0 }],
    ["a heartbeat of no interval", { heartbeatMs: 0 }],
    ["a heartbeat that comes too late for the lease", { leaseMs: 100, heartbeatMs: 99 }],
    ["a deadline in the past", { timeoutMs: -1 }],
  ] as const)("%s throws synchronously, and no handler runs", async (_, options) => {
    const taskId = await scene.newTask();
    const run = () => void runTask(scene.store, taskId, () => expect.unreachable(), options);
    expect(run).toThrow(code("INVALID_ARGUMENT"));
    expect(await scene.record(taskId)).toMatchObject({ attempt: 0 });
  });
});
