import { runTask, type TaskStore } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { code } from "../../../../tooling/test/fixtures/errors.ts";
import { aborted, untilAborted } from "../../../../tooling/test/fixtures/events.ts";
import { stores, withMethods } from "../../../../tooling/test/fixtures/stores.ts";
import { DONE, held, useScene } from "./support.ts";

describe.each(stores)("runTask over $name", (kind) => {
  const scene = useScene(kind);

  describe("cancelled by another handle", () => {
    test("the signal aborts, and the outcome has the handler's late error", async () => {
      const taskId = await scene.newTask();
      const late = new Error("gave up");
      const { outcome } = await scene.start(taskId, async ({ signal }) => {
        await aborted(signal);
        throw late;
      });
      await scene.other.cancelTask(taskId);
      const cancelled = await scene.record(taskId);
      const ended = await outcome;
      expect(ended).toEqual({ stored: false, status: "cancelled", error: late, reason: code("TASK_TERMINAL") });
      expect(ended.error).toBe(late);
      expect(await scene.record(taskId)).toEqual(cancelled);
    });

    test("a handler that ignores its signal overwrites nothing", async () => {
      const taskId = await scene.newTask();
      const { handler, finish } = held();
      const { task, outcome } = await scene.start(taskId, handler);
      await scene.other.updateTaskStatus(taskId, "cancelled", "Client cancelled task execution.");
      const cancelled = JSON.stringify(await scene.record(taskId));
      await aborted(task.signal);
      expect(await task.progress("still at it", { half: true })).toBe(false);
      finish(DONE);
      expect(await outcome).toEqual({
        stored: false,
        status: "cancelled",
        result: DONE,
        reason: code("TASK_TERMINAL"),
      });
      expect(JSON.stringify(await scene.record(taskId))).toBe(cancelled);
    });

    test("progress right after it resolves to false, before and after the signal", async () => {
      const taskId = await scene.newTask();
      const { task, outcome } = await scene.start(taskId, untilAborted);
      await scene.other.cancelTask(taskId);
      expect(await Promise.all([task.progress("one"), task.progress("two")])).toEqual([false, false]);
      expect(task.signal.aborted).toBe(true);
      expect(await task.progress("three")).toBe(false);
      expect(await outcome).toMatchObject({ stored: false, status: "cancelled" });
    });

    test("the signal aborts without a renewal of the lease", async () => {
      const taskId = await scene.newTask();
      const { runner } = scene.stalled();
      const { task, outcome } = await scene.start(taskId, untilAborted, { leaseMs: 10_000 }, runner);
      await scene.other.cancelTask(taskId);
      expect(await aborted(task.signal)).toMatchObject({ code: "TASK_TERMINAL", taskId, status: "cancelled" });
      expect(await outcome).toMatchObject({ stored: false, status: "cancelled" });
    });

    test("a pending question rejects with the reason", async () => {
      const taskId = await scene.newTask();
      const { outcome } = await scene.start(taskId, ({ elicit }) => elicit({ message: "Sure?" }));
      await scene.other.waitForTask(taskId, { until: ["input_required"] });
      await scene.other.cancelTask(taskId);
      const ended = await outcome;
      expect(ended).toMatchObject({ stored: false, status: "cancelled", error: code("TASK_TERMINAL") });
    });

    test("a task that another writer completed or failed stays as it is", async () => {
      const taskId = await scene.newTask();
      const { outcome } = await scene.start(taskId, untilAborted);
      await scene.other.storeTaskResult(taskId, "completed", { by: "another" });
      expect(await outcome).toMatchObject({ stored: false, status: "completed", reason: code("TASK_TERMINAL") });
      expect(await scene.other.getTaskResult(taskId)).toEqual({ by: "another" });
    });
  });

  describe("deadline", () => {
    test("fails the task while the handler is still running", async () => {
      const taskId = await scene.newTask();
      const { handler, finish } = held();
      const { task, outcome } = await scene.start(taskId, handler, { timeoutMs: 5 });
      await scene.other.waitForTask(taskId);
      const failed = await scene.record(taskId);
      expect(failed).toMatchObject({
        task: { status: "failed" },
        error: { code: -32603, message: "The task took longer than its limit of 5 ms" },
      });
      expect(task.signal.reason).toMatchObject({ name: "TimeoutError" });
      finish(DONE);
      expect(await outcome).toEqual({ stored: false, status: "failed", result: DONE, reason: task.signal.reason });
      expect(await scene.record(taskId)).toEqual(failed);
    });

    test("does not touch a task that ended in time", async () => {
      const taskId = await scene.newTask();
      expect(await runTask(scene.store, taskId, () => DONE, { timeoutMs: 60_000 })).toMatchObject({ stored: true });
    });
  });

  test("expiry aborts with TASK_EXPIRED", async () => {
    const taskId = await scene.newTask({ ttl: 10_000 });
    const { runner } = scene.stalled();
    const late = new Error("gave up");
    const { task, outcome } = await scene.start(
      taskId,
      async ({ signal }) => {
        await aborted(signal);
        throw late;
      },
      { leaseMs: 10_000, heartbeatMs: 1 },
      runner,
    );
    await scene.place.skip(20_001);
    expect(await aborted(task.signal)).toEqual(code("TASK_EXPIRED"));
    expect(await outcome).toEqual({ stored: false, status: "working", error: late, reason: code("TASK_EXPIRED") });
    expect(await scene.other.getTask(taskId)).toBeNull();
  });

  test("closing the store aborts with STORE_CLOSED and leaves the task to others", async () => {
    const taskId = await scene.newTask();
    const { outcome } = await scene.start(taskId, untilAborted);
    await scene.store.close();
    expect(await outcome).toMatchObject({ stored: false, reason: code("STORE_CLOSED") });
    expect(await scene.other.getTask(taskId)).toMatchObject({ status: "working" });
    await scene.place.skip(30_001);
    expect(await runTask(scene.other, taskId, ({ attempt }) => ({ attempt }))).toMatchObject({
      result: { attempt: 2 },
    });
  });

  describe("the runner's own signal", () => {
    test("gives the lease back, so that another runner takes over at once", async () => {
      const taskId = await scene.newTask();
      const stop = new AbortController();
      const { outcome } = await scene.start(taskId, untilAborted, { signal: stop.signal });
      const reason = new Error("shutting down");
      stop.abort(reason);
      expect(await outcome).toEqual({ stored: false, status: "working", error: reason, reason });
      expect(await runTask(scene.other, taskId, ({ attempt }) => ({ attempt }))).toMatchObject({
        result: { attempt: 1 },
      });
    });

    test("aborts the handler at once if it aborted before the start", async () => {
      const taskId = await scene.newTask();
      const outcome = await runTask(scene.store, taskId, untilAborted, { signal: AbortSignal.abort("no") });
      expect(outcome).toMatchObject({ stored: false, reason: "no" });
      expect(await runTask(scene.other, taskId, () => DONE)).toMatchObject({ stored: true });
    });

    test("fails the task under onLost fail when the handler gives up", async () => {
      const taskId = await scene.newTask();
      const stop = new AbortController();
      const { outcome } = await scene.start(taskId, untilAborted, { signal: stop.signal, onLost: "fail" });
      stop.abort("stop");
      expect(await outcome).toEqual({ stored: true, status: "failed", error: "stop", reason: "stop" });
      expect(await scene.record(taskId)).toMatchObject({
        error: { code: -32603, message: "The process that ran this task was stopped" },
      });
    });

    test("leaves the task to others if it aborted before the start, even under onLost fail", async () => {
      const taskId = await scene.newTask();
      const options = { signal: AbortSignal.abort("no"), onLost: "fail" } as const;
      expect(await runTask(scene.store, taskId, untilAborted, options)).toMatchObject({ stored: false, reason: "no" });
      expect(await runTask(scene.other, taskId, () => DONE, { onLost: "fail" })).toMatchObject({ stored: true });
    });

    test("still lets a finished result be stored", async () => {
      const taskId = await scene.newTask();
      const stop = new AbortController();
      const { handler, finish } = held();
      const { outcome } = await scene.start(taskId, handler, { signal: stop.signal });
      stop.abort("stop");
      finish(DONE);
      expect(await outcome).toEqual({ stored: true, status: "completed", result: DONE, reason: "stop" });
    });

    test("leaves the handler time to save a checkpoint, and keeps the lease meanwhile", async () => {
      const taskId = await scene.newTask();
      const stop = new AbortController();
      let renewed = Promise.withResolvers<void>();
      const renewLease: TaskStore["renewLease"] = async (lease) => {
        const told = renewed;
        await scene.store.renewLease(lease);
        told.resolve();
      };
      const { handler, fail } = held();
      const runner = withMethods(scene.store, { renewLease });
      const { task, outcome } = await scene.start(
        taskId,
        handler,
        { signal: stop.signal, leaseMs: 10_000, heartbeatMs: 5 },
        runner,
      );
      stop.abort("stop");
      for (let skipped = 0; skipped < 20_000; skipped += 5_000) {
        await scene.place.skip(5_000);
        renewed = Promise.withResolvers<void>();
        await renewed.promise;
      }
      expect(await task.progress("stopping", { next: 3 })).toBe(true);
      fail(task.signal.reason);
      expect(await outcome).toMatchObject({ stored: false, status: "working", reason: "stop" });
      expect(await task.progress("late", { next: 4 })).toBe(false);
      const second = await runTask(scene.other, taskId, ({ checkpoint }) => ({ checkpoint }));
      expect(second).toMatchObject({ result: { checkpoint: { next: 3 } } });
    });

    test("does not suspend the deadline", async () => {
      const taskId = await scene.newTask();
      const { handler, finish } = held();
      const { outcome } = await scene.start(taskId, handler, { signal: AbortSignal.abort("stop"), timeoutMs: 5 });
      expect((await scene.other.waitForTask(taskId)).task.status).toBe("failed");
      finish(DONE);
      expect(await outcome).toEqual({ stored: false, status: "failed", result: DONE, reason: "stop" });
    });

    test("stops a nested run when the outer run has ended", async () => {
      const [parent, child] = [await scene.newTask(), await scene.newTask()];
      const { handler, finish } = held();
      const inner = Promise.withResolvers<Awaited<ReturnType<typeof scene.start>>>();
      const { outcome } = await scene.start(parent, async ({ signal }) => {
        inner.resolve(await scene.start(child, handler, { signal }));
        await (await inner.promise).outcome;
        return {};
      });
      const { task, outcome: childOutcome } = await inner.promise;
      await scene.other.cancelTask(parent);
      await aborted(task.signal);
      finish(DONE);
      expect(await childOutcome).toMatchObject({ stored: true, status: "completed" });
      expect(await outcome).toMatchObject({ stored: false, status: "cancelled" });
    });
  });
});
