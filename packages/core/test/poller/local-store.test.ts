import { ANY_OWNER, type PollerOptions, TaskStoreError } from "@mcp-task-store/core";
import { describe, expect, test, vi } from "vitest";
import { code } from "../../../../tooling/test/fixtures/errors.ts";
import { A, advance, DONE, intercepted, NEVER, useScene } from "./support.ts";

describe("the local store", () => {
  const scene = useScene();

  test("sees no write but lease renewals while polls find nothing new", async () => {
    const calls = new Map<string, number>();
    const counting = intercepted(scene.store, (method) => calls.set(method, (calls.get(method) ?? 0) + 1));
    scene.remote.set("a", { pollIntervalMs: 1000 });
    await scene.start({ leaseMs: 120_000, stalledAfterMs: NEVER }, counting).follow(A);
    await advance(1000);
    expect(Object.fromEntries(calls)).toMatchObject({ createTask: 1, acquireLease: 1, updateTask: 1 });
    calls.clear();
    await advance(599_000);
    expect(scene.remote.times("a")).toHaveLength(601);
    // One renewal per minute. A claim that finds no task writes nothing.
    expect(Object.fromEntries(calls)).toEqual({ renewLease: 10, claimTasks: 599 });
  });

  test("has one task per reference, in any order of its keys", async () => {
    scene.remote.set("a");
    const [one, other] = [scene.start(), scene.start()];
    const ids = await Promise.all([
      one.follow({ taskId: "a", server: { url: "u", name: "n" } }),
      one.follow({ server: { name: "n", url: "u" }, taskId: "a" }),
      other.follow({ taskId: "a", server: { url: "u", name: "n" } }),
    ]);
    expect(new Set(ids).size).toBe(1);
    await advance(0);
    expect(scene.remote.times("a")).toEqual([0]);
    const elsewhere = await one.follow({ taskId: "a", server: { url: "v", name: "n" } });
    expect(ids).not.toContain(elsewhere);
    scene.remote.set("a", { status: "completed", result: DONE });
    await advance(1000);
    // `follow` does not restart an ended task.
    const polls = scene.remote.times("a").length;
    expect(await one.follow({ taskId: "a", server: { url: "u", name: "n" } })).toBe(ids[0]);
    await advance(10_000);
    expect(scene.remote.times("a")).toHaveLength(polls);
  });

  test("keeps the pollers of different names apart", async () => {
    scene.remote.set("a");
    const [one, other] = [scene.start(), scene.start({ name: "other" })];
    const ids = [await one.follow(A), await other.follow(A)];
    expect(new Set(ids).size).toBe(2);
    await one.stop();
    await advance(10_000);
    expect(scene.remote.times("a")).toHaveLength(11);
    await expect(other.unfollow(ids[0] as string)).rejects.toEqual(code("TASK_NOT_FOUND"));
  });

  test("loses nothing in an outage", async () => {
    let up = true;
    const down = new TaskStoreError("BACKEND_UNAVAILABLE", "down");
    const failing = intercepted(scene.store, (method) => {
      if (!up && method !== "getRecord") throw down;
    });
    scene.remote.set("a");
    scene.remote.set("b");
    const poller = scene.start({ leaseMs: 16_000, errorIntervalMs: 2000 }, failing);
    const [a, b] = [await poller.follow(A), await poller.follow({ taskId: "b" })];
    await advance(1000);
    up = false;
    scene.remote.set("a", { statusMessage: "news" });
    scene.remote.set("b", { status: "completed", result: DONE });
    await advance(10_000);
    expect(scene.errors.length).toBeGreaterThan(0);
    expect(scene.errors.every(({ error }) => error === down)).toBe(true);
    expect((await scene.record(a))?.task.statusMessage).toBeUndefined();
    up = true;
    await advance(4000);
    expect((await scene.record(a))?.task.statusMessage).toBe("news");
    expect(await poller.wait(b)).toEqual({ status: "completed", result: DONE });
    // Each change was reported once, and the ended task was not polled again.
    expect(scene.changes).toHaveLength(4);
    expect(scene.ends).toHaveLength(1);
    expect(scene.remote.times("b")).toEqual([0, 1000, 2000].slice(0, scene.remote.times("b").length));
  });

  test("learns that a task is no longer followed, and the running poll ends", async () => {
    const signals: AbortSignal[] = [];
    const poll: PollerOptions["poll"] = (_, { signal }) => {
      signals.push(signal);
      return new Promise<never>(() => undefined);
    };
    const poller = scene.start({ poll });
    const taskId = await poller.follow(A);
    await advance(1000);
    const waiting = poller.wait(taskId);
    await poller.unfollow(taskId);
    expect(signals[0]?.aborted).toBe(true);
    expect(await waiting).toEqual({ status: "cancelled", statusMessage: "The task is no longer followed." });
    await advance(600_000);
    expect(signals).toHaveLength(1);
    expect([scene.errors, scene.ends]).toEqual([[], []]);
    await poller.unfollow(taskId);
    await expect(poller.unfollow("no such task")).rejects.toEqual(code("TASK_NOT_FOUND"));
  });

  test("may cancel a task, and the poller stops by the next renewal", async () => {
    scene.remote.set("a");
    const poller = scene.start({ leaseMs: 10_000 });
    const taskId = await poller.follow(A);
    await advance(1000);
    await scene.store.cancelTask(taskId, { owner: ANY_OWNER });
    await advance(60_000);
    expect(scene.remote.times("a").at(-1)).toBeLessThanOrEqual(5000);
    expect(scene.errors).toEqual([]);
  });

  test("ends the poller when it closes", async () => {
    scene.remote.set("a");
    await scene.start().follow(A);
    await advance(0);
    await scene.store.close();
    await advance(10_000);
    expect(vi.getTimerCount()).toBe(0);
    expect(scene.errors).toEqual([]);
  });
});
