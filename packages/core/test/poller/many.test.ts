import type { PollerOptions } from "@mcp-task-store/core";
import { describe, expect, test, vi } from "vitest";
import { advance, NEVER, unreachable, useScene } from "./support.ts";

describe("many tasks", () => {
  const scene = useScene();

  test("share one timer and respect the limit of concurrent polls", async () => {
    let running = 0;
    let most = 0;
    const poll: PollerOptions["poll"] = async (reference) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 10));
      running -= 1;
      return scene.remote.poll(reference);
    };
    const poller = scene.start({ poll, concurrency: 7 });
    const names = Array.from({ length: 2000 }, (_, index) => `task-${index}`);
    for (const name of names) scene.remote.set(name, { pollIntervalMs: 10_000 });
    await Promise.all(names.map((taskId) => poller.follow({ taskId })));
    // The store has no timer, as no call waits.
    expect(vi.getTimerCount()).toBe(1);
    await advance(5);
    expect(running).toBe(7);
    // The polls take this many rounds of 10 ms.
    await advance(Math.ceil(2000 / 7) * 10);
    expect(most).toBe(7);
    expect(names.filter((name) => scene.remote.times(name).length !== 1)).toEqual([]);
    expect(vi.getTimerCount()).toBe(1);
    for (const name of names) scene.remote.set(name, { status: "completed", result: { name } });
    const outcomes = Promise.all(
      (await Promise.all(names.map((taskId) => poller.follow({ taskId })))).map((id) => poller.wait(id)),
    );
    await advance(20_000);
    expect(await outcomes).toEqual(names.map((name) => ({ status: "completed", result: { name } })));
    expect(scene.errors).toEqual([]);
  });

  test("cost no timer while they wait for their turn", async () => {
    const poller = scene.start({
      poll: () => new Promise<never>(() => undefined),
      concurrency: 2,
      timeoutMs: 60_000,
      claimPollMs: NEVER,
    });
    for (let index = 0; index < 5; index += 1) await poller.follow({ taskId: String(index) });
    await advance(10);
    const timers = vi.spyOn(globalThis, "setTimeout");
    await advance(50_000);
    expect(timers).not.toHaveBeenCalled();
  });

  test("are polled in the order of their due times", async () => {
    const poller = scene.start();
    const order: string[] = [];
    const intervals = [900, 300, 700, 100, 500, 200, 800, 400, 600];
    for (const interval of intervals) {
      const taskId = String(interval);
      scene.remote.set(taskId, { pollIntervalMs: interval });
      await poller.follow({ taskId }, { task: { taskId, status: "working", pollIntervalMs: interval } });
    }
    await advance(900);
    const first = [...scene.remote.polls].map(([taskId, [at]]) => ({ taskId, at }));
    order.push(...first.map(({ taskId }) => taskId));
    expect(order).toEqual(intervals.toSorted((a, b) => a - b).map(String));
    expect(first.every(({ taskId, at }) => Number(taskId) === at)).toBe(true);
  });

  test("do not delay each other when one hangs or fails", async () => {
    scene.remote.set("a", { pollIntervalMs: 1000 });
    scene.remote.fail("down", unreachable());
    const hang = new Promise<never>(() => undefined);
    const poll: PollerOptions["poll"] = (reference) =>
      reference.taskId === "hangs" ? hang : scene.remote.poll(reference);
    const poller = scene.start({ poll });
    for (const taskId of ["hangs", "down", "a"]) await poller.follow({ taskId });
    await advance(3000);
    expect(scene.remote.times("a")).toEqual([0, 1000, 2000, 3000]);
  });
});
