import assert from "node:assert/strict";
import { once } from "node:events";
import { type RunOutcome, startWorker, type TaskHandler, type TaskStoreError } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { code } from "../fixtures/errors.ts";
import { untilAborted } from "../fixtures/events.ts";
import { stores } from "../fixtures/stores.ts";
import { newTask, useScene } from "./support.ts";

describe.each(stores)("startWorker over $name", (kind) => {
  const scene = useScene(kind);

  test("options of its runs that cannot be right are refused at once", () => {
    expect(() => startWorker(scene.store, { work: () => ({}) }, { leaseMs: 300, heartbeatMs: 299 })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });

  test("goes on when onRun throws", async () => {
    const [first, second] = [await newTask(scene.other), await newTask(scene.other)];
    const warned = once(process, "warning");
    scene.start({ work: () => ({}) }, { onRun: () => assert.fail("a bug in onRun") });
    await Promise.all([scene.other.waitForResult(first), scene.other.waitForResult(second)]);
    expect((await warned)[0]).toMatchObject({ message: "a bug in onRun" });
  });

  test("a handler that throws fails its task, and the worker goes on", async () => {
    const outcomes: [string, RunOutcome][] = [];
    const errors: TaskStoreError[] = [];
    const work: TaskHandler = ({ request }) => {
      if (request.params?.["name"] === "work") throw new Error("broken");
      return {};
    };
    const worker = scene.start(
      { work, also: work },
      { onRun: (...run) => outcomes.push(run), onError: (error) => errors.push(error) },
    );
    const failing = await newTask(scene.other);
    expect((await scene.other.waitForTask(failing)).task.status).toBe("failed");
    const fine = await newTask(scene.other, {}, "also");
    await scene.other.waitForResult(fine);
    await worker.stop();
    expect(outcomes).toEqual([
      [failing, { stored: true, status: "failed", error: new Error("broken") }],
      [fine, { stored: true, status: "completed", result: {} }],
    ]);
    expect(errors).toEqual([]);
  });

  test.each([
    [{}, {}],
    [{ work: untilAborted }, { concurrency: 0 }],
    [{ work: untilAborted }, { maxAttempts: 0 }],
    [{ work: untilAborted }, { pollMs: 0 }],
    [{ work: untilAborted }, { leaseMs: Number.NaN }],
  ])("options that cannot be right are refused: %o %o", (handlers, options) => {
    expect(() => startWorker(scene.store, handlers, options)).toThrow(code("INVALID_ARGUMENT"));
  });
});
