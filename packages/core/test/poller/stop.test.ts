import type { PollerOptions } from "@mcp-task-store/core";
import { describe, expect, test, vi } from "vitest";
import { code } from "../../../../tooling/test/fixtures/errors.ts";
import { A, advance, useScene } from "./support.ts";

describe("stop()", () => {
  const scene = useScene();

  test("ends the running polls, even if they ignore their signal, and takes no more tasks", async () => {
    const signals: AbortSignal[] = [];
    const poll: PollerOptions["poll"] = (_, { signal }) => {
      signals.push(signal);
      return new Promise<never>(() => undefined);
    };
    const poller = scene.start({ poll });
    await poller.follow(A);
    await advance(10);
    await poller.stop();
    expect(signals.map(({ reason }) => reason)).toEqual([expect.objectContaining({ name: "AbortError" })]);
    expect(vi.getTimerCount()).toBe(0);
    expect(scene.errors).toEqual([]);
    await expect(poller.follow({ taskId: "b" })).rejects.toEqual(code("INVALID_ARGUMENT"));
    await poller.stop();
  });

  test("gives back every task that was being followed or claimed", async () => {
    scene.remote.set("a");
    scene.remote.set("b");
    const waiting = scene.start();
    await waiting.follow({ taskId: "b" });
    await waiting.stop();
    const poller = scene.start();
    const following = poller.follow(A);
    await Promise.all([advance(0), poller.stop(), following]);
    const other = scene.start();
    const polls = [scene.remote.times("a").length, scene.remote.times("b").length];
    await advance(10);
    expect([scene.remote.times("a").length, scene.remote.times("b").length]).toEqual(polls.map((count) => count + 1));
    await other.stop();
  });
});
