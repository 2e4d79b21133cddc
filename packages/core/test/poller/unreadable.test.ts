import type { PollerOptions, RemoteTask } from "@mcp-task-store/core";
import { describe, expect, test, vi } from "vitest";
import { unknownTask } from "../../../../tooling/test/fixtures/remote-tasks.ts";
import { A, advance, DONE, unreachable, useScene } from "./support.ts";

describe("a task that cannot be read", () => {
  const scene = useScene();

  test("is polled with random backoff until it can be read", async () => {
    scene.remote.set("a", { pollIntervalMs: 1000 });
    scene.remote.fail("a", unreachable());
    const random = vi.spyOn(Math, "random").mockReturnValue(0);
    const poller = scene.start({ errorIntervalMs: 10_000 });
    const taskId = await poller.follow(A);
    await advance(2000 + 4000 + 8000 + 10_000 + 10_000);
    expect(scene.remote.times("a")).toEqual([0, 2000, 6000, 14_000, 24_000, 34_000]);
    random.mockReturnValue(1);
    await advance(10_000 + 5000);
    expect(scene.remote.times("a").slice(6)).toEqual([44_000, 49_000]);
    expect(scene.errors).toHaveLength(8);
    expect(scene.errors.at(-1)).toEqual({
      error: unreachable(),
      task: expect.objectContaining({ taskId, reference: A }),
    });
    expect((await scene.record(taskId))?.task.status).toBe("working");
    scene.remote.fail("a", undefined);
    await advance(5000 + 2000);
    expect(scene.remote.times("a").slice(8)).toEqual([54_000, 55_000, 56_000]);
    expect(scene.errors).toHaveLength(8);
  });

  test("is polled again after timeoutMs without an answer, and the signal ends the first poll", async () => {
    scene.remote.set("a");
    const signals: AbortSignal[] = [];
    const poll: PollerOptions["poll"] = (reference, { signal }) => {
      signals.push(signal);
      const task = scene.remote.poll(reference);
      return signals.length === 1 ? new Promise<never>(() => undefined) : task;
    };
    vi.spyOn(Math, "random").mockReturnValue(0);
    await scene.start({ poll, timeoutMs: 5000 }).follow(A);
    await advance(4999);
    expect(signals[0]?.aborted).toBe(false);
    await advance(1 + 2000 + 1000);
    expect(signals[0]?.reason).toMatchObject({ name: "TimeoutError" });
    expect(scene.remote.times("a")).toEqual([0, 7000, 8000]);
    expect(scene.errors).toEqual([
      { error: expect.objectContaining({ name: "TimeoutError" }), task: expect.anything() },
    ]);
    expect(signals[1]?.aborted).toBe(false);
  });

  test.each([undefined, null, "text", {}, { taskId: "a", status: "unheard-of" }])(
    "is still polled after the answer %o",
    async (answer) => {
      const poller = scene.start({ poll: () => answer as RemoteTask });
      const taskId = await poller.follow(A);
      await advance(10_000);
      expect(scene.errors.length).toBeGreaterThan(1);
      expect((await scene.record(taskId))?.task.status).toBe("working");
    },
  );

  test.each([true, false])("ends when the remote does not know it (read before: %s)", async (before) => {
    if (before) scene.remote.set("a");
    const poller = scene.start();
    const taskId = await poller.follow(A);
    if (before) await advance(500);
    scene.remote.fail("a", unknownTask());
    await advance(1000);
    const outcome = {
      status: "failed",
      lost: "unknown",
      error: {
        code: -32602,
        message: "The server does not know the task, or has forgotten it",
        data: expect.anything(),
      },
    };
    expect(await poller.wait(taskId)).toEqual(outcome);
    expect(scene.ends).toEqual([outcome]);
    expect(scene.errors).toEqual([]);
    await advance(60_000);
    expect(scene.remote.times("a")).toHaveLength(before ? 2 : 1);
  });

  test.each([-32603, -32021, 404])("is still polled after the error code %d", async (value) => {
    scene.remote.fail("a", Object.assign(new Error("no"), { code: value }));
    const taskId = await scene.start().follow(A);
    await advance(60_000);
    expect(scene.errors.length).toBeGreaterThan(3);
    expect((await scene.record(taskId))?.task.status).toBe("working");
  });

  test.each(["ttlMs", "ttl"])("is given up only after its %s has passed", async (field) => {
    const state = { createdAt: new Date().toISOString(), [field]: 100_000, pollIntervalMs: 10_000 };
    scene.remote.set("a", state);
    vi.spyOn(Math, "random").mockReturnValue(1);
    const poller = scene.start({ errorIntervalMs: 0 });
    const taskId = await poller.follow(A);
    await advance(30_000);
    scene.remote.fail("a", unreachable());
    await advance(70_000);
    expect((await scene.record(taskId))?.task.status).toBe("working");
    await advance(10_000);
    expect(await poller.wait(taskId)).toMatchObject({ status: "failed", lost: "unreachable" });
    expect(scene.remote.times("a").at(-1)).toBe(110_000);
  });

  test("is not given up for one failure, nor past its ttl while reads succeed", async () => {
    scene.remote.set("a", { createdAt: new Date().toISOString(), ttlMs: 5000 });
    const poller = scene.start();
    const taskId = await poller.follow(A);
    await advance(60_000);
    scene.remote.fail("a", unreachable());
    await advance(1000);
    scene.remote.fail("a", undefined);
    await advance(10_000);
    expect(scene.errors).toHaveLength(1);
    scene.remote.set("a", { status: "completed", result: DONE });
    await advance(1000);
    expect(await poller.wait(taskId)).toEqual({ status: "completed", result: DONE });
  });
});
