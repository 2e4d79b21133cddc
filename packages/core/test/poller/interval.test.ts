import type { PollerOptions } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { A, advance, useScene } from "./support.ts";

describe("the interval of a task", () => {
  const scene = useScene();

  test.each(["pollIntervalMs", "pollInterval"])("is the value that the remote last sent in %s", async (field) => {
    scene.remote.set("a", { [field]: 5000 });
    await scene.start().follow(A);
    await advance(10_000);
    scene.remote.set("a", { [field]: 2000 });
    await advance(9000);
    scene.remote.set("a", { [field]: 60_000 });
    await advance(121_000);
    expect(scene.remote.times("a")).toEqual([0, 5000, 10_000, 15_000, 17_000, 19_000, 21_000, 81_000]);
  });

  test("is intervalMs when the remote sends no usable value", async () => {
    scene.remote.set("a", { pollIntervalMs: "soon" as unknown as number });
    scene.remote.set("b");
    const poller = scene.start({ intervalMs: 700 });
    await Promise.all([poller.follow(A), poller.follow({ taskId: "b" })]);
    await advance(1400);
    expect(scene.remote.times("a")).toEqual([0, 700, 1400]);
    expect(scene.remote.times("b")).toEqual([0, 700, 1400]);
  });

  test.each([
    [0, 250],
    [1e300, 8000],
  ])("of %d is clamped to the bounds", async (pollIntervalMs, expected) => {
    scene.remote.set("a", { pollIntervalMs });
    await scene.start({ minIntervalMs: 250, maxIntervalMs: 8000 }).follow(A);
    await advance(2 * expected);
    expect(scene.remote.times("a")).toEqual([0, expected, 2 * expected]);
  });

  test("starts when the remote has answered", async () => {
    scene.remote.set("a", { pollIntervalMs: 1000 });
    const poll: PollerOptions["poll"] = async (reference) => {
      const task = scene.remote.poll(reference);
      await new Promise((resolve) => setTimeout(resolve, 400));
      return task;
    };
    await scene.start({ poll }).follow(A);
    await advance(2800);
    expect(scene.remote.times("a")).toEqual([0, 1400, 2800]);
  });

  test("grows by a fifth per unchanged poll, up to idleIntervalMs, and a change resets it", async () => {
    scene.remote.set("a", { pollIntervalMs: 1000 });
    await scene.start({ idleIntervalMs: 1500 }).follow(A);
    await advance(1000 + 1200 + 1440 + 1500 + 1500);
    // Only the first poll brought a change.
    const gaps = () => scene.remote.times("a").map((at, index, all) => at - (all[index - 1] ?? 0));
    expect(gaps().slice(1)).toEqual([1000, 1200, 1440, 1500, 1500]);
    scene.remote.set("a", { pollIntervalMs: 1000, statusMessage: "half-way" });
    await advance(1500 + 1000 + 1200);
    expect(gaps().slice(6)).toEqual([1500, 1000, 1200]);
  });

  test("stays as the remote asked, even if idleIntervalMs is shorter", async () => {
    scene.remote.set("a", { pollIntervalMs: 50_000 });
    await scene.start({ idleIntervalMs: 30_000 }).follow(A);
    await advance(150_000);
    expect(scene.remote.times("a")).toEqual([0, 50_000, 100_000, 150_000]);
  });

  test("passes before the first poll of a task that was just created", async () => {
    scene.remote.set("a", { pollIntervalMs: 3000 });
    const poller = scene.start();
    const taskId = await poller.follow(A, { task: { taskId: "a", status: "working", pollIntervalMs: 3000 } });
    await advance(1000);
    poller.refresh(taskId);
    await advance(1999);
    expect(scene.remote.times("a")).toEqual([]);
    await advance(3001);
    expect(scene.remote.times("a")).toEqual([3000, 6000]);
  });

  test("survives refresh, which resets only its growth", async () => {
    scene.remote.set("a", { pollIntervalMs: 1000 });
    const poller = scene.start({ idleIntervalMs: 60_000 });
    const taskId = await poller.follow(A);
    await advance(55_000);
    const before = scene.remote.times("a").length;
    expect(scene.remote.times("a").at(-1)).toBeLessThan(54_000);
    poller.refresh(taskId);
    await advance(1300);
    // The first poll is immediate, as more than an interval has passed. The next waits as after a
    // change.
    expect(scene.remote.times("a").slice(before)).toEqual([55_000, 56_200]);
    poller.refresh(taskId);
    await advance(1000);
    expect(scene.remote.times("a").at(-1)).toBe(57_200);
    poller.refresh("no such task");
  });

  test("holds while a poll is under way", async () => {
    scene.remote.set("a");
    const answers: (() => void)[] = [];
    const poll: PollerOptions["poll"] = (reference) =>
      new Promise((resolve) => answers.push(() => resolve(scene.remote.poll(reference))));
    const poller = scene.start({ poll });
    const taskId = await poller.follow(A);
    await advance(5000);
    poller.refresh(taskId);
    await advance(5000);
    expect(answers).toHaveLength(1);
    answers[0]?.();
    await advance(1000);
    expect(answers).toHaveLength(2);
  });

  test("counts from a poll that refresh brought forward", async () => {
    scene.remote.set("a", { pollIntervalMs: 1000 });
    const poller = scene.start({ idleIntervalMs: 60_000 });
    const taskId = await poller.follow(A);
    // The next poll is due at about 59 s, after one of another task.
    await advance(54_000);
    scene.remote.set("b", { pollIntervalMs: 3000 });
    await poller.follow({ taskId: "b" });
    await advance(1000);
    scene.remote.set("a", { pollIntervalMs: 20_000 });
    poller.refresh(taskId);
    await advance(0);
    const before = scene.remote.times("a").length;
    await advance(19_000);
    expect(scene.remote.times("a")).toHaveLength(before);
  });
});
