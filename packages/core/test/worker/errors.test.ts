import assert from "node:assert/strict";
import { once } from "node:events";
import { type RunOutcome, startWorker, type TaskHandler, type TaskStoreError } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { code } from "../../../../tooling/test/fixtures/errors.ts";
import { untilAborted } from "../../../../tooling/test/fixtures/events.ts";
import { stores } from "../../../../tooling/test/fixtures/stores.ts";
import { newTask, useScene } from "./support.ts";

describe.each(stores)("startWorker over $name", (kind) => {
  const scene = useScene(kind);

  test("invalid run options are refused at once", () => {
    expect(() => startWorker(scene.store, { work: () => ({}) }, { leaseMs: 300, heartbeatMs: 299 })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });

  test.each([
    ["throws", () => assert.fail("a bug in onRun")],
    ["rejects", async () => assert.fail("a bug in onRun")],
  ])("goes on when onRun %s", async (_, onRun) => {
    const [first, second] = [await newTask(scene.other), await newTask(scene.other)];
    const warned = once(process, "warning");
    scene.start({ work: () => ({}) }, { onRun });
    await Promise.all([scene.other.waitForResult(first), scene.other.waitForResult(second)]);
    expect((await warned)[0]).toMatchObject({ message: "a bug in onRun" });
  });

  test("a handler that throws fails its task and leaves the worker running", async () => {
    const outcomes: [string, RunOutcome][] = [];
    const errors: TaskStoreError[] = [];
    const both = Promise.withResolvers<void>();
    const work: TaskHandler = ({ request }) => {
      if (request.params?.["name"] === "work") throw new Error("broken");
      return {};
    };
    const worker = scene.start(
      { work, also: work },
      { onRun: (...run) => outcomes.push(run) === 2 && both.resolve(), onError: (error) => errors.push(error) },
    );
    const failing = await newTask(scene.other);
    expect((await scene.other.waitForTask(failing)).task.status).toBe("failed");
    const fine = await newTask(scene.other, {}, "also");
    // Another store may see the end of a task before the worker has the answer to its write.
    await both.promise;
    await worker.stop();
    // The second task may run before the first outcome is acknowledged.
    expect(new Map(outcomes)).toEqual(
      new Map<string, unknown>([
        [failing, { stored: true, status: "failed", error: new Error("broken") }],
        [fine, { stored: true, status: "completed", result: {} }],
      ]),
    );
    expect(outcomes).toHaveLength(2);
    expect(errors).toEqual([]);
  });

  test("an invalid handler added to the Map later is reported once, and other names go on", async () => {
    const errors: TaskStoreError[] = [];
    const handlers = new Map<string, TaskHandler>([["work", () => ({ done: true })]]);
    handlers.set("first", () => {
      handlers.set("wrong", { handler: "none" } as never);
      return {};
    });
    scene.start(handlers, { claimPollMs: 5, onError: (error) => errors.push(error) });
    await scene.other.waitForResult(await newTask(scene.other, {}, "first"));
    for (let n = 0; n < 3; n += 1) await scene.other.waitForResult(await newTask(scene.other));
    expect(errors).toEqual([
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining("wrong") }),
    ]);
  });

  test.each([
    [{}, {}],
    [{ work: untilAborted }, { concurrency: 0 }],
    [{ work: untilAborted }, { maxAttempts: 0 }],
    [{ work: untilAborted }, { claimPollMs: 0 }],
    [{ work: untilAborted }, { leaseMs: Number.NaN }],
  ])("invalid options are refused: %o %o", (handlers, options) => {
    expect(() => startWorker(scene.store, handlers, options)).toThrow(code("INVALID_ARGUMENT"));
  });
});
