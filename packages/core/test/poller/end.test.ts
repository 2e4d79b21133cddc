import type { RemoteOutcome, RemoteTask } from "@mcp-task-store/core";
import { describe, expect, test, vi } from "vitest";
import { code } from "../../../../tooling/test/fixtures/errors.ts";
import { unknownTask } from "../../../../tooling/test/fixtures/remote-tasks.ts";
import { A, advance, DONE, unreachable, useScene } from "./support.ts";

describe("ends of tasks", () => {
  const scene = useScene();

  const cases: [string, Partial<RemoteTask>, RemoteOutcome][] = [
    ["a result", { status: "completed", result: DONE }, { status: "completed", result: DONE }],
    [
      "the result of a tool that failed",
      { status: "completed", result: { ...DONE, isError: true }, statusMessage: "no luck" },
      { status: "completed", result: { ...DONE, isError: true }, statusMessage: "no luck" },
    ],
    [
      "a JSON-RPC error",
      { status: "failed", error: { code: -32603, message: "broken", data: { why: 1 } } },
      { status: "failed", error: { code: -32603, message: "broken", data: { why: 1 } } },
    ],
    [
      "a JSON-RPC error like that of an unknown task",
      { status: "failed", error: { code: -32602, message: "no such tool" } },
      { status: "failed", error: { code: -32602, message: "no such tool" } },
    ],
    [
      "a cancellation",
      { status: "cancelled", statusMessage: "by you" },
      { status: "cancelled", statusMessage: "by you" },
    ],
    ["no result", { status: "completed" }, { status: "completed" }],
    [
      "neither result nor error",
      { status: "failed", statusMessage: "why" },
      { status: "failed", statusMessage: "why" },
    ],
    [
      "an error of the wrong shape",
      { status: "failed", error: { text: "oh" } as never },
      { status: "failed", error: { code: -32603, message: "The task failed" } },
    ],
  ];
  test.each(cases)("a task with %s is stored and not polled again", async (_, state, outcome) => {
    scene.remote.set("a");
    const poller = scene.start();
    const taskId = await poller.follow(A);
    const waiting = poller.wait(taskId);
    await advance(1000);
    scene.remote.set("a", state);
    await advance(1000);
    expect(await waiting).toEqual(outcome);
    expect(await poller.wait(taskId)).toEqual(outcome);
    expect(scene.ends).toEqual([outcome]);
    expect((await scene.record(taskId))?.task.status).toBe(outcome.status);
    await advance(600_000);
    expect(scene.remote.times("a")).toEqual([0, 1000, 2000]);
    expect(vi.getTimerCount()).toBeLessThanOrEqual(2);
    expect(scene.errors).toEqual([]);
  });

  test("every user of the local store gets the result", async () => {
    scene.remote.set("a", { status: "completed", result: DONE });
    const taskId = await scene.start().follow(A);
    const waiting = scene.store.waitForResult(taskId);
    await advance(0);
    expect(await waiting).toEqual(DONE);
  });

  test.each(["completed", "failed"] as const)("the result of a %s task of 2025-11-25 is fetched", async (status) => {
    scene.remote.set("a", { status, statusMessage: "see the result" });
    const fetchResult = vi.fn(async () => ({ ...DONE, isError: status === "failed" }));
    const poller = scene.start({ fetchResult });
    const taskId = await poller.follow({ ...A, server: "one" });
    await advance(0);
    expect(await poller.wait(taskId)).toEqual({
      status,
      statusMessage: "see the result",
      result: { ...DONE, isError: status === "failed" },
    });
    expect(fetchResult.mock.calls).toEqual([[{ ...A, server: "one" }, { signal: expect.any(AbortSignal) }]]);
  });

  test.each([
    [Object.assign(new Error("bad arguments"), { code: -32602 }), { code: -32602, message: "bad arguments" }],
    [
      Object.assign(new Error("mine"), { name: "JsonRpcError", code: 7, data: [1] }),
      { code: 7, message: "mine", data: [1] },
    ],
  ])("a failed task of 2025-11-25 may end with an error: %s", async (thrown, error) => {
    scene.remote.set("a", { status: "failed" });
    const poller = scene.start({ fetchResult: () => Promise.reject(thrown) });
    const taskId = await poller.follow(A);
    await advance(0);
    expect(await poller.wait(taskId)).toEqual({ status: "failed", error });
  });

  test.each([
    ["completed", Object.assign(new Error("internal"), { code: -32603 })],
    ["failed", unreachable()],
    // The errors of SDKs for a closed connection and for HTTP 503.
    ["failed", Object.assign(new Error("Connection closed"), { code: -32000 })],
    ["failed", Object.assign(new Error("Service Unavailable"), { code: 503 })],
  ] as const)("the result of a %s task is fetched again after: %s", async (status, error) => {
    scene.remote.set("a", { status });
    const fetchResult = vi.fn(async () => DONE);
    fetchResult.mockRejectedValueOnce(error).mockRejectedValueOnce(error);
    const poller = scene.start({ fetchResult });
    const taskId = await poller.follow(A);
    await advance(60_000);
    expect(await poller.wait(taskId)).toEqual({ status, result: DONE });
    expect(scene.errors.map((entry) => entry.error)).toEqual([error, error]);
    // The task itself has ended, so only its result is fetched.
    expect(scene.remote.times("a")).toEqual([0]);
  });

  test("a task whose result is gone ends like an unknown task", async () => {
    scene.remote.set("a", { status: "completed" });
    const poller = scene.start({ fetchResult: () => Promise.reject(unknownTask()) });
    const taskId = await poller.follow(A);
    await advance(0);
    expect(await poller.wait(taskId)).toMatchObject({ status: "failed", lost: "unknown" });
  });

  test("a result that the store refuses becomes an error that says so", async () => {
    await scene.reopen({ limits: { payloadBytes: 2000 } });
    scene.remote.set("a", { status: "completed", result: { text: "x".repeat(3000) } });
    const poller = scene.start();
    const taskId = await poller.follow(A);
    await advance(5000);
    expect(await poller.wait(taskId)).toMatchObject({ status: "failed", error: { code: -32603 } });
    expect(scene.errors.map(({ error }) => error)).toEqual([code("PAYLOAD_TOO_LARGE")]);
  });
});
