import { ANY_OWNER, type HandlerOptions, startWorker, type TaskHandler } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { aborted, untilAborted } from "../../../../tooling/test/fixtures/events.ts";
import { stores } from "../../../../tooling/test/fixtures/stores.ts";
import { NEVER, newTask, useScene } from "./support.ts";

describe.each(stores)("handlers with options of their own, over $name", (kind) => {
  const scene = useScene(kind);

  const record = (taskId: string) => scene.other.getRecord(taskId, { owner: ANY_OWNER });

  test("each has its own deadline, and a plain function has the worker's", async () => {
    const slow: TaskHandler = async ({ signal }) => {
      await aborted(signal);
      return {};
    };
    scene.start(
      { slow: { handler: slow, timeoutMs: 5 }, bare: slow, patient: { handler: () => ({}) } },
      {
        timeoutMs: 6,
        concurrency: 3,
      },
    );
    for (const [name, ms] of [
      ["slow", 5],
      ["bare", 6],
    ] as const) {
      const taskId = await newTask(scene.other, {}, name);
      await scene.other.waitForTask(taskId);
      const message = `The task took longer than its limit of ${ms} ms`;
      expect(await record(taskId)).toMatchObject({ task: { status: "failed" }, error: { code: -32603, message } });
    }
    expect(await scene.other.waitForResult(await newTask(scene.other, {}, "patient"))).toEqual({});
  });

  test("each has its own limit for answers", async () => {
    const handler: TaskHandler = async (task) => ({
      asked: await task.elicit({ message: "?", requestedSchema: {} }).catch((error: Error) => error.name),
    });
    scene.start({ work: { handler, inputTimeoutMs: 5 } }, { inputTimeoutMs: NEVER });
    expect(await scene.other.waitForResult(await newTask(scene.other))).toEqual({ asked: "TimeoutError" });
  });

  test("under onLost fail, a task that lost its runner fails without a call of the handler", async () => {
    const [lost, fresh] = [await newTask(scene.other), await newTask(scene.other, {}, "again")];
    for (const taskId of [lost, fresh]) await scene.other.acquireLease(taskId, { owner: ANY_OWNER, leaseMs: 10_000 });
    await scene.place.skip(10_001);
    const handler: TaskHandler = ({ attempt }) => ({ attempt });
    scene.start({ work: handler, again: { handler, onLost: "rerun" } }, { onLost: "fail" });
    expect(await scene.other.waitForResult(fresh)).toEqual({ attempt: 2 });
    await scene.other.waitForTask(lost);
    const error = { code: -32603, message: "The process that ran this task was lost" };
    expect(await record(lost)).toMatchObject({ task: { status: "failed", statusMessage: error.message }, error });
  });

  test.each([
    ["fail", "failed", { code: -32603, message: "The process that ran this task was stopped" }],
    ["rerun", "working", undefined],
  ] as const)(
    "under onLost %s, a task whose handler gives up in an orderly stop is %s",
    async (onLost, status, error) => {
      const taskId = await newTask(scene.other);
      const begun = Promise.withResolvers<void>();
      const handler: TaskHandler = (task) => {
        begun.resolve();
        return untilAborted(task);
      };
      const worker = scene.start({ work: { handler, onLost } });
      await begun.promise;
      await worker.stop();
      const ended = await record(taskId);
      expect([ended?.task.status, ended?.error]).toEqual([status, error]);
    },
  );

  test("under onLost fail, an orderly stop still stores a finished result", async () => {
    const taskId = await newTask(scene.other);
    const begun = Promise.withResolvers<void>();
    const handler: TaskHandler = async ({ signal }) => {
      begun.resolve();
      await aborted(signal);
      return { ready: true };
    };
    const worker = scene.start({ work: { handler, onLost: "fail" } });
    await begun.promise;
    await worker.stop();
    expect(await scene.other.getTaskResult(taskId)).toEqual({ ready: true });
  });
});

describe("invalid handlers are refused", () => {
  const [kind] = stores;
  if (!kind) throw new Error("There is no store");
  const scene = useScene(kind);

  test.each<[unknown, string]>([
    [{}, "must be a function, or an object with a function handler"],
    [null, "must be a function, or an object with a function handler"],
    [{ handler: 1 }, "must be a function, or an object with a function handler"],
    [{ handler: untilAborted, timeoutMs: -1 }, "timeoutMs must be"],
    [{ handler: untilAborted, onLost: "retry" }, 'onLost must be "rerun" or "fail"'],
    [{ handler: untilAborted, timeOutMs: 1 }, 'did you mean "timeoutMs"?'],
    [{ handler: untilAborted, leaseMs: 1000 }, "The handler of"],
    [{ handler: untilAborted, concurrency: 2 }, "concurrency must be an object with running or runningPerOwner"],
    [{ handler: untilAborted, concurrency: { runing: 2 } }, 'did you mean "concurrency.running"?'],
  ])("%j", (handler, message) => {
    const handlers = { work: handler as HandlerOptions & { handler: TaskHandler } };
    expect(() => startWorker(scene.store, handlers)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(message) }),
    );
  });
});
