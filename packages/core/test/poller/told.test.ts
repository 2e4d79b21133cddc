import { once } from "node:events";
import type { RemoteTask } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { A, advance, DONE, unreachable, useScene } from "./support.ts";

describe("reports to the callbacks", () => {
  const scene = useScene();

  test("tell each new state once, with its questions", async () => {
    const ask = (message: string) => ({ method: "elicitation/create", params: { message } });
    const states: Partial<RemoteTask>[] = [
      { status: "working" },
      { status: "working", statusMessage: "half-way" },
      { status: "working", statusMessage: "half-way", lastUpdatedAt: "2026-01-01T00:00:09.000Z" },
      { status: "input_required", inputRequests: { name: ask("Your name?") } },
      // Another question under the same status.
      { status: "input_required", inputRequests: { name: ask("Your name?"), age: ask("Your age?") } },
      { status: "working" },
      { status: "completed", result: DONE },
    ];
    const poller = scene.start();
    scene.remote.set("a", states[0]);
    const taskId = await poller.follow(A);
    for (const state of states) {
      scene.remote.set("a", state);
      await advance(3000);
      const stored = await scene.record(taskId);
      expect(stored?.task.status).toBe(state.status);
      if (state.status === "input_required")
        expect(stored?.checkpoint).toMatchObject({ remote: { inputRequests: state.inputRequests } });
    }
    expect(scene.changes).toEqual(states.map((state) => expect.objectContaining(state)));
    // A field that the remote drops is dropped here too.
    expect((await scene.record(taskId))?.task.statusMessage).toBe("");
    expect(await poller.wait(taskId)).toEqual({ status: "completed", result: DONE });
  });

  test("tell a stall once each time a task has not changed for stalledAfterMs", async () => {
    scene.remote.set("a", { pollIntervalMs: 1000 });
    const poller = scene.start({ stalledAfterMs: 5500 });
    const taskId = await poller.follow(A);
    await advance(20_500);
    expect(scene.stalls).toEqual([
      { at: 6000, task: expect.objectContaining({ taskId, remote: expect.objectContaining({ status: "working" }) }) },
    ]);
    expect(await scene.record(taskId)).toMatchObject({ checkpoint: { stalled: true }, task: { status: "working" } });
    scene.remote.set("a", { pollIntervalMs: 1000, statusMessage: "on we go" });
    await advance(1000);
    expect(await scene.record(taskId)).toMatchObject({ checkpoint: { stalled: false } });
    // A new interval does not count as a change.
    scene.remote.set("a", { pollIntervalMs: 2000, statusMessage: "on we go" });
    await advance(40_000);
    expect(scene.stalls.map(({ at }) => at)).toEqual([6000, 28_000]);
    expect(scene.remote.times("a").at(-1)).toBeGreaterThan(50_000);
  });

  test("tell no stall while the task cannot be read", async () => {
    scene.remote.set("a");
    await scene.start({ stalledAfterMs: 5000, errorIntervalMs: 0 }).follow(A);
    await advance(1500);
    scene.remote.fail("a", unreachable());
    await advance(30_000);
    expect(scene.stalls).toEqual([]);
    scene.remote.fail("a", undefined);
    scene.remote.set("a", { statusMessage: "moved meanwhile" });
    await advance(1500);
    expect(scene.stalls).toEqual([]);
  });

  test("survive callbacks that throw or reject", async () => {
    const warnings: unknown[] = [];
    const onWarning = (warning: unknown) => warnings.push(warning);
    process.on("warning", onWarning);
    try {
      scene.remote.set("a");
      const bug = () => {
        throw new Error("a bug in a callback");
      };
      const poller = scene.start({
        onChange: bug,
        onStalled: bug,
        onError: bug,
        onEnd: async () => bug(),
        stalledAfterMs: 1500,
      });
      const taskId = await poller.follow(A);
      await advance(3000);
      scene.remote.fail("a", unreachable());
      await advance(3000);
      scene.remote.fail("a", undefined);
      scene.remote.set("a", { status: "completed", result: DONE });
      await advance(60_000);
      expect(await poller.wait(taskId)).toEqual({ status: "completed", result: DONE });
      await new Promise(setImmediate);
      expect(warnings.length).toBeGreaterThanOrEqual(5);
    } finally {
      process.off("warning", onWarning);
    }
  });

  test("turn errors into process warnings without onError", async () => {
    scene.remote.fail("a", unreachable());
    const warned = once(process, "warning");
    await scene.start({ onError: undefined }).follow(A);
    await advance(0);
    expect((await warned)[0]).toMatchObject({ message: "connect ECONNREFUSED" });
  });
});
