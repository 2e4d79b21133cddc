import { JsonRpcError, type Result, runTask, type TaskStore, TaskStoreError } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { code } from "../../../../tooling/test/fixtures/errors.ts";
import { rejection } from "../../../../tooling/test/fixtures/events.ts";
import { stores, withMethods } from "../../../../tooling/test/fixtures/stores.ts";
import { DONE, useScene } from "./support.ts";

describe.each(stores)("runTask over $name", (kind) => {
  const scene = useScene(kind);

  describe("outcome", () => {
    test("the result is stored once", async () => {
      const taskId = await scene.newTask();
      expect(await runTask(scene.store, taskId, () => DONE)).toEqual({
        stored: true,
        status: "completed",
        result: DONE,
      });
      expect(await scene.other.getTaskResult(taskId)).toEqual(DONE);
      const stored = await scene.record(taskId);
      expect(stored).toMatchObject({ task: { status: "completed" }, result: DONE, attempt: 1, revision: 2 });
      expect(await runTask(scene.other, taskId, () => ({}))).toEqual({
        stored: false,
        status: "completed",
        reason: code("TASK_TERMINAL"),
      });
      expect(await scene.record(taskId)).toEqual(stored);
    });

    test("the handler gets the request, the context and the attempt", async () => {
      const taskId = await scene.newTask({ context: { user: "ann" } });
      const { task, outcome } = await scene.start(taskId, () => DONE);
      await outcome;
      expect(task).toMatchObject({
        taskId,
        request: { method: "tools/call", params: { name: "work", arguments: { input: "a" } } },
        context: { user: "ann" },
        attempt: 1,
        checkpoint: undefined,
      });
    });

    test("a thrown error is stored as an internal error, and the caller gets the original", async () => {
      const taskId = await scene.newTask();
      const error = new Error("the disk is full");
      const outcome = await runTask(scene.store, taskId, () => {
        throw error;
      });
      expect(outcome).toEqual({ stored: true, status: "failed", error });
      expect(outcome.error).toBe(error);
      expect((await scene.record(taskId)).error).toEqual({ code: -32603, message: "the disk is full" });
      expect(await rejection(scene.other.waitForResult(taskId))).toEqual(new JsonRpcError(-32603, "the disk is full"));
    });

    test.each([
      [
        "an integer code and data",
        { code: -32002, data: { uri: "file:///a" } },
        { code: -32002, data: { uri: "file:///a" } },
      ],
      ["a code that is a string", { code: "ENOENT" }, { code: -32603 }],
      ["a fraction as code", { code: 1.5 }, { code: -32603 }],
      ["data that is not JSON", { code: -32002, data: 1n }, { code: -32002 }],
    ])("an error with %s", async (_, details, stored) => {
      const taskId = await scene.newTask();
      const error = Object.assign(new Error("no such file"), details);
      const outcome = await runTask(scene.store, taskId, () => Promise.reject(error));
      expect(outcome).toEqual({ stored: true, status: "failed", error });
      expect((await scene.record(taskId)).error).toEqual({ message: "no such file", ...stored });
    });

    test.each([
      ["undefined", undefined],
      ["null", null],
      ["a string", "broken"],
    ])("throwing %s fails the task", async (_, thrown) => {
      const taskId = await scene.newTask();
      const outcome = await runTask(scene.store, taskId, () => Promise.reject(thrown));
      expect(outcome).toEqual({ stored: true, status: "failed", error: thrown });
      expect((await scene.record(taskId)).error).toEqual({ code: -32603, message: String(thrown) });
    });

    test("a result with isError fails the task with that result", async () => {
      const taskId = await scene.newTask();
      const result = { content: [{ type: "text", text: "no such city" }], isError: true };
      expect(await runTask(scene.store, taskId, () => result)).toEqual({ stored: true, status: "failed", result });
      expect(await scene.other.getTaskResult(taskId)).toEqual(result);
    });

    const cycle: Result = {};
    cycle["self"] = cycle;
    test.each([
      ["undefined", undefined, /must return a result object/],
      ["a string", "done", /must return a result object/],
      ["an array", [], /must be an object/],
      ["a BigInt", { count: 1n }, /not JSON: it holds a bigint/],
      ["NaN", { count: Number.NaN }, /not JSON: it holds NaN/],
      ["a cycle", cycle, /not JSON: it refers to itself/],
    ])("a handler that returns %s fails the task, and the error says why", async (_, result, message) => {
      const taskId = await scene.newTask();
      const outcome = await runTask(scene.store, taskId, () => result as unknown as Result);
      expect(outcome).toMatchObject({ stored: true, status: "failed", error: code("INVALID_ARGUMENT") });
      expect((await scene.record(taskId)).error).toEqual({ code: -32603, message: expect.stringMatching(message) });
    });

    test("a result that is too large fails the task, and the error says why", async () => {
      const small = scene.place.open({ limits: { payloadBytes: 1000 } });
      const taskId = await scene.newTask();
      const outcome = await runTask(small, taskId, () => ({ text: "x".repeat(2000) }));
      expect(outcome).toMatchObject({ stored: true, status: "failed", error: code("PAYLOAD_TOO_LARGE") });
      expect((await scene.record(taskId)).error?.message).toMatch(/larger than the limit of 1000 bytes/);
    });

    test("a run whose error is too large as well ends unstored, with PAYLOAD_TOO_LARGE", async () => {
      const tiny = scene.place.open({ limits: { payloadBytes: 10 } });
      const taskId = await scene.newTask();
      const outcome = await runTask(tiny, taskId, () => ({ text: "x".repeat(2000) }));
      expect(outcome).toMatchObject({ stored: false, reason: code("PAYLOAD_TOO_LARGE") });
    });

    test("an outage of the backend does not lose the result", async () => {
      const taskId = await scene.newTask();
      let failures = 2;
      const finishTask: TaskStore["finishTask"] = async (...args) => {
        failures -= 1;
        if (failures >= 0) throw new TaskStoreError("BACKEND_UNAVAILABLE", "down");
        return scene.store.finishTask(...args);
      };
      const outcome = await runTask(withMethods(scene.store, { finishTask }), taskId, () => DONE);
      expect(outcome).toEqual({ stored: true, status: "completed", result: DONE });
      expect(await scene.other.getTaskResult(taskId)).toEqual(DONE);
    });

    test("a write whose answer was lost counts as stored", async () => {
      const taskId = await scene.newTask();
      const finishTask: TaskStore["finishTask"] = async (...args) => {
        await scene.store.finishTask(...args);
        throw new TaskStoreError("BACKEND_UNAVAILABLE", "connection cut");
      };
      let calls = 0;
      const runner = withMethods(scene.store, {
        finishTask: (...args) => {
          calls += 1;
          return calls === 1 ? finishTask(...args) : scene.store.finishTask(...args);
        },
      });
      const outcome = await runTask(runner, taskId, () => DONE);
      expect(outcome).toMatchObject({ stored: true, status: "completed", result: DONE });
      expect(calls).toBe(2);
    });
  });

  test.each([
    ["has no prototype", () => Object.create(null)],
    ["cannot be read", () => Object.defineProperty({}, "code", { get: () => expect.unreachable() })],
  ])("a thrown value that %s fails the task all the same", async (_, thrown) => {
    const taskId = await scene.newTask();
    expect(await runTask(scene.store, taskId, () => Promise.reject(thrown()))).toMatchObject({
      stored: true,
      status: "failed",
    });
    expect((await scene.record(taskId)).error).toMatchObject({ code: -32603 });
  });

  test("a result that cannot be read fails the task", async () => {
    const taskId = await scene.newTask();
    const result = Object.defineProperty({}, "content", { enumerable: true, get: () => expect.unreachable() });
    expect(await runTask(scene.store, taskId, () => result)).toMatchObject({ stored: true, status: "failed" });
  });
});
