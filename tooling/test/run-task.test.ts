import {
  ANY_OWNER,
  type CreateTaskOptions,
  JsonRpcError,
  type Result,
  type RunOutcome,
  runTask,
  type TaskContext,
  type TaskHandler,
  type TaskRecord,
  type TaskStore,
  TaskStoreError,
} from "@mcp-task-store/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { aborted, rejection } from "./fixtures/events.ts";
import { type Place, stores, withMethods } from "./fixtures/stores.ts";

const DONE: Result = { content: [{ type: "text", text: "done" }] };
const code = (value: TaskStoreError["code"]) => expect.objectContaining({ name: "TaskStoreError", code: value });

describe.each(stores)("runTask over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();
  let place: Place;
  /** The runner's handle. */
  let store: TaskStore;
  /** As if in another process. */
  let other: TaskStore;

  beforeEach(async () => {
    place = await newPlace();
    store = place.open();
    other = place.open();
  });
  afterEach(() => place[Symbol.asyncDispose]());

  async function newTask(options: CreateTaskOptions = {}): Promise<string> {
    const request = { method: "tools/call", params: { name: "work", arguments: { input: "a" } } };
    return (await store.createTask({ ttl: 60_000, ...options }, 1, request)).taskId;
  }

  async function record(taskId: string): Promise<TaskRecord> {
    return (await other.getRecord(taskId, { owner: ANY_OWNER })) as TaskRecord;
  }

  /** Starts a run, and resolves as soon as its handler runs. */
  async function start(
    taskId: string,
    handler: TaskHandler,
    options?: Parameters<typeof runTask>[3],
    runner = store,
  ): Promise<{ task: TaskContext; outcome: Promise<RunOutcome> }> {
    const started = Promise.withResolvers<TaskContext>();
    const outcome = runTask(
      runner,
      taskId,
      (task) => {
        started.resolve(task);
        return handler(task);
      },
      options,
    );
    outcome.catch(started.reject);
    return { task: await started.promise, outcome };
  }

  /** A runner whose heartbeats do not get through: to others it looks dead. */
  function stalled(): { runner: TaskStore; resume: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const renewLease: TaskStore["renewLease"] = (lease) => promise.then(() => store.renewLease(lease));
    return { runner: withMethods(store, { renewLease }), resume: () => resolve() };
  }

  /** A handler that ends as the test says. */
  function held(): { handler: TaskHandler; finish: (result: Result) => void; fail: (error: unknown) => void } {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    return { handler: () => promise, finish: resolve, fail: reject };
  }

  const untilAborted: TaskHandler = async ({ signal }) => {
    throw await aborted(signal);
  };

  describe("outcome", () => {
    test("the result is stored, once", async () => {
      const taskId = await newTask();
      expect(await runTask(store, taskId, () => DONE)).toEqual({ stored: true, status: "completed", result: DONE });
      expect(await other.getTaskResult(taskId)).toEqual(DONE);
      const stored = await record(taskId);
      expect(stored).toMatchObject({ task: { status: "completed" }, result: DONE, attempt: 1, revision: 2 });
      expect(await runTask(other, taskId, () => ({}))).toEqual({
        stored: false,
        status: "completed",
        reason: code("TASK_TERMINAL"),
      });
      expect(await record(taskId)).toEqual(stored);
    });

    test("the handler gets the request, the context and its attempt", async () => {
      const taskId = await newTask({ context: { user: "ann" } });
      const { task, outcome } = await start(taskId, () => DONE);
      await outcome;
      expect(task).toMatchObject({
        taskId,
        request: { method: "tools/call", params: { name: "work", arguments: { input: "a" } } },
        context: { user: "ann" },
        attempt: 1,
        checkpoint: undefined,
      });
    });

    test("a thrown error is stored as an internal error, and handed to the caller as it was", async () => {
      const taskId = await newTask();
      const error = new Error("the disk is full");
      const outcome = await runTask(store, taskId, () => {
        throw error;
      });
      expect(outcome).toEqual({ stored: true, status: "failed", error });
      expect(outcome.error).toBe(error);
      expect((await record(taskId)).error).toEqual({ code: -32603, message: "the disk is full" });
      expect(await rejection(other.waitForResult(taskId))).toEqual(new JsonRpcError(-32603, "the disk is full"));
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
      const taskId = await newTask();
      const error = Object.assign(new Error("no such file"), details);
      const outcome = await runTask(store, taskId, () => Promise.reject(error));
      expect(outcome).toEqual({ stored: true, status: "failed", error });
      expect((await record(taskId)).error).toEqual({ message: "no such file", ...stored });
    });

    test.each([
      ["undefined", undefined],
      ["null", null],
      ["a string", "broken"],
    ])("%s that is thrown fails the task", async (_, thrown) => {
      const taskId = await newTask();
      const outcome = await runTask(store, taskId, () => Promise.reject(thrown));
      expect(outcome).toEqual({ stored: true, status: "failed", error: thrown });
      expect((await record(taskId)).error).toEqual({ code: -32603, message: String(thrown) });
    });

    test("a result with isError fails the task with that result", async () => {
      const taskId = await newTask();
      const result = { content: [{ type: "text", text: "no such city" }], isError: true };
      expect(await runTask(store, taskId, () => result)).toEqual({ stored: true, status: "failed", result });
      expect(await other.getTaskResult(taskId)).toEqual(result);
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
      const taskId = await newTask();
      const outcome = await runTask(store, taskId, () => result as unknown as Result);
      expect(outcome).toMatchObject({ stored: true, status: "failed", error: code("INVALID_ARGUMENT") });
      expect((await record(taskId)).error).toEqual({ code: -32603, message: expect.stringMatching(message) });
    });

    test("a result that is too large fails the task, and the error says why", async () => {
      const small = place.open({ limits: { payloadBytes: 1000 } });
      const taskId = await newTask();
      const outcome = await runTask(small, taskId, () => ({ text: "x".repeat(2000) }));
      expect(outcome).toMatchObject({ stored: true, status: "failed", error: code("PAYLOAD_TOO_LARGE") });
      expect((await record(taskId)).error?.message).toMatch(/larger than the limit of 1000 bytes/);
    });

    test("an error that cannot be stored, however it is said, leaves the run with that error", async () => {
      const tiny = place.open({ limits: { payloadBytes: 10 } });
      const taskId = await newTask();
      const outcome = await runTask(tiny, taskId, () => ({ text: "x".repeat(2000) }));
      expect(outcome).toMatchObject({ stored: false, reason: code("PAYLOAD_TOO_LARGE") });
    });

    test("a backend that fails for a while does not cost the result", async () => {
      const taskId = await newTask();
      let failures = 2;
      const finishTask: TaskStore["finishTask"] = async (...args) => {
        failures -= 1;
        if (failures >= 0) throw new TaskStoreError("BACKEND_UNAVAILABLE", "down");
        return store.finishTask(...args);
      };
      const outcome = await runTask(withMethods(store, { finishTask }), taskId, () => DONE);
      expect(outcome).toEqual({ stored: true, status: "completed", result: DONE });
      expect(await other.getTaskResult(taskId)).toEqual(DONE);
    });

    test("a write that arrived although its answer was lost counts as stored", async () => {
      const taskId = await newTask();
      const finishTask: TaskStore["finishTask"] = async (...args) => {
        await store.finishTask(...args);
        throw new TaskStoreError("BACKEND_UNAVAILABLE", "connection cut");
      };
      let calls = 0;
      const runner = withMethods(store, {
        finishTask: (...args) => {
          calls += 1;
          return calls === 1 ? finishTask(...args) : store.finishTask(...args);
        },
      });
      const outcome = await runTask(runner, taskId, () => DONE);
      expect(outcome).toMatchObject({ stored: true, status: "completed", result: DONE });
      expect(calls).toBe(2);
    });
  });

  describe("cancelled by another handle", () => {
    test("the signal aborts, and the handler's late error is in the outcome", async () => {
      const taskId = await newTask();
      const late = new Error("gave up");
      const { outcome } = await start(taskId, async ({ signal }) => {
        await aborted(signal);
        throw late;
      });
      await other.cancelTask(taskId);
      const cancelled = await record(taskId);
      const ended = await outcome;
      expect(ended).toEqual({ stored: false, status: "cancelled", error: late, reason: code("TASK_TERMINAL") });
      expect(ended.error).toBe(late);
      expect(await record(taskId)).toEqual(cancelled);
    });

    test("a handler that does not look at its signal overwrites nothing", async () => {
      const taskId = await newTask();
      const { handler, finish } = held();
      const { task, outcome } = await start(taskId, handler);
      await other.updateTaskStatus(taskId, "cancelled", "Client cancelled task execution.");
      const cancelled = JSON.stringify(await record(taskId));
      await aborted(task.signal);
      expect(await task.progress("still at it", { half: true })).toBe(false);
      finish(DONE);
      expect(await outcome).toEqual({
        stored: false,
        status: "cancelled",
        result: DONE,
        reason: code("TASK_TERMINAL"),
      });
      expect(JSON.stringify(await record(taskId))).toBe(cancelled);
    });

    test("progress right after it resolves to false, before the signal as after", async () => {
      const taskId = await newTask();
      const { task, outcome } = await start(taskId, untilAborted);
      await other.cancelTask(taskId);
      expect(await Promise.all([task.progress("one"), task.progress("two")])).toEqual([false, false]);
      expect(task.signal.aborted).toBe(true);
      expect(await task.progress("three")).toBe(false);
      expect(await outcome).toMatchObject({ stored: false, status: "cancelled" });
    });

    test("a question ends with the reason", async () => {
      const taskId = await newTask();
      const { outcome } = await start(taskId, ({ elicit }) => elicit({ message: "Sure?" }));
      await other.waitForTask(taskId, { until: ["input_required"] });
      await other.cancelTask(taskId);
      const ended = await outcome;
      expect(ended).toMatchObject({ stored: false, status: "cancelled", error: code("TASK_TERMINAL") });
    });

    test("what others ended otherwise stays as well", async () => {
      const taskId = await newTask();
      const { outcome } = await start(taskId, untilAborted);
      await other.storeTaskResult(taskId, "completed", { by: "another" });
      expect(await outcome).toMatchObject({ stored: false, status: "completed", reason: code("TASK_TERMINAL") });
      expect(await other.getTaskResult(taskId)).toEqual({ by: "another" });
    });
  });

  describe("deadline", () => {
    test("fails the task while the handler still runs", async () => {
      const taskId = await newTask();
      const { handler, finish } = held();
      const { task, outcome } = await start(taskId, handler, { timeoutMs: 5 });
      await other.waitForTask(taskId);
      const failed = await record(taskId);
      expect(failed).toMatchObject({
        task: { status: "failed" },
        error: { code: -32603, message: "The task took longer than its limit of 5 ms" },
      });
      expect(task.signal.reason).toMatchObject({ name: "TimeoutError" });
      finish(DONE);
      expect(await outcome).toEqual({ stored: false, status: "failed", result: DONE, reason: task.signal.reason });
      expect(await record(taskId)).toEqual(failed);
    });

    test("does not touch a task that ended in time", async () => {
      const taskId = await newTask();
      expect(await runTask(store, taskId, () => DONE, { timeoutMs: 60_000 })).toMatchObject({ stored: true });
    });
  });

  describe("lease", () => {
    test("of two runners one runs", async () => {
      const taskId = await newTask();
      const { handler, finish } = held();
      const { outcome } = await start(taskId, handler);
      let ran = false;
      const second = runTask(other, taskId, () => {
        ran = true;
        return {};
      });
      expect(await second).toEqual({ stored: false, status: undefined, reason: code("LEASE_LOST") });
      expect(ran).toBe(false);
      finish(DONE);
      expect(await outcome).toMatchObject({ stored: true });
    });

    test("a runner that stalled is aborted with LEASE_LOST, and writes nothing more", async () => {
      const taskId = await newTask();
      const { runner, resume } = stalled();
      const { handler, finish } = held();
      const { task, outcome } = await start(taskId, handler, { leaseMs: 10_000, heartbeatMs: 1 }, runner);
      await place.skip(10_001);
      const second = held();
      const takenOver = await start(taskId, second.handler, {}, other);
      expect(takenOver.task.attempt).toBe(2);
      expect(task.signal.aborted).toBe(false);
      const before = await record(taskId);

      resume();
      expect(await aborted(task.signal)).toEqual(code("LEASE_LOST"));
      expect(await task.progress("late")).toBe(false);
      finish({ by: "the first" });
      expect(await outcome).toEqual({
        stored: false,
        status: "working",
        result: { by: "the first" },
        reason: code("LEASE_LOST"),
      });
      expect(await record(taskId)).toEqual(before);

      second.finish({ by: "the second" });
      expect(await takenOver.outcome).toMatchObject({ stored: true });
      expect(await other.getTaskResult(taskId)).toEqual({ by: "the second" });
    });

    test("a stalled runner's late result is refused even if it never heard of the loss", async () => {
      const taskId = await newTask();
      const { runner } = stalled();
      const { handler, finish } = held();
      const { outcome } = await start(taskId, handler, { leaseMs: 10_000, heartbeatMs: 1 }, runner);
      await place.skip(10_001);
      const second = held();
      const takenOver = await start(taskId, second.handler, {}, other);
      finish({ by: "the first" });
      expect(await outcome).toMatchObject({ stored: false, result: { by: "the first" }, reason: code("LEASE_LOST") });
      second.finish({ by: "the second" });
      await takenOver.outcome;
      expect(await other.getTaskResult(taskId)).toEqual({ by: "the second" });
    });

    test("when the backend is gone for longer than the lease, the signal aborts", async () => {
      const taskId = await newTask();
      const renewLease = () => Promise.reject(new TaskStoreError("BACKEND_UNAVAILABLE", "down"));
      const { outcome } = await start(
        taskId,
        untilAborted,
        { leaseMs: 50, heartbeatMs: 5 },
        withMethods(store, { renewLease }),
      );
      expect(await outcome).toMatchObject({ stored: false, reason: code("LEASE_LOST") });
    });

    test("heartbeats keep a task from expiring that takes longer than its ttl", async () => {
      const taskId = await newTask({ ttl: 10_000 });
      let renewed = Promise.withResolvers<void>();
      const renewLease: TaskStore["renewLease"] = async (lease) => {
        const told = renewed;
        await store.renewLease(lease);
        told.resolve();
      };
      const { handler, finish } = held();
      const runner = withMethods(store, { renewLease });
      const { outcome } = await start(taskId, handler, { leaseMs: 10_000, heartbeatMs: 5 }, runner);
      for (let skipped = 0; skipped < 50_000; skipped += 5_000) {
        await place.skip(5_000);
        renewed = Promise.withResolvers<void>();
        await renewed.promise;
      }
      expect(await other.getTask(taskId)).toMatchObject({ status: "working", ttl: 10_000 });
      finish(DONE);
      expect(await outcome).toMatchObject({ stored: true, status: "completed" });
      await place.skip(5_000);
      expect(await other.getTaskResult(taskId)).toEqual(DONE);
      await place.skip(5_001);
      expect(await other.getTask(taskId)).toBeNull();
    });

    test("of another task is refused, and nothing is written", async () => {
      const [taskId, elsewhere] = [await newTask(), await newTask()];
      const lease = await store.acquireLease(elsewhere, { owner: ANY_OWNER });
      const before = await record(elsewhere);
      expect(await rejection(runTask(store, taskId, () => DONE, { lease }))).toEqual(code("INVALID_ARGUMENT"));
      expect(await record(elsewhere)).toEqual(before);
    });

    test("taken before is used, and its duration with it", async () => {
      const taskId = await newTask();
      const lease = await store.acquireLease(taskId, { owner: ANY_OWNER, durationMs: 5_000 });
      const { task, outcome } = await start(taskId, () => DONE, { lease });
      expect(task.attempt).toBe(lease.attempt);
      expect(await outcome).toMatchObject({ stored: true });
      expect((await record(taskId)).attempt).toBe(1);
    });
  });

  test("expiry aborts with TASK_EXPIRED", async () => {
    const taskId = await newTask({ ttl: 10_000 });
    const { runner } = stalled();
    const late = new Error("gave up");
    const { task, outcome } = await start(
      taskId,
      async ({ signal }) => {
        await aborted(signal);
        throw late;
      },
      { leaseMs: 10_000, heartbeatMs: 1 },
      runner,
    );
    await place.skip(20_001);
    expect(await aborted(task.signal)).toEqual(code("TASK_EXPIRED"));
    expect(await outcome).toEqual({ stored: false, status: "working", error: late, reason: code("TASK_EXPIRED") });
    expect(await other.getTask(taskId)).toBeNull();
  });

  test("closing the store aborts with STORE_CLOSED, and the task is left to others", async () => {
    const taskId = await newTask();
    const { outcome } = await start(taskId, untilAborted);
    await store.close();
    expect(await outcome).toMatchObject({ stored: false, reason: code("STORE_CLOSED") });
    expect(await other.getTask(taskId)).toMatchObject({ status: "working" });
    await place.skip(30_001);
    expect(await runTask(other, taskId, ({ attempt }) => ({ attempt }))).toMatchObject({ result: { attempt: 2 } });
  });

  describe("questions", () => {
    const form = {
      message: "Which city?",
      requestedSchema: { type: "object", properties: { city: { type: "string" } } },
    };
    const answer = { action: "accept", content: { city: "Oslo" } };

    test.each([
      ["elicit", "elicitation/create"],
      ["sample", "sampling/createMessage"],
    ] as const)("%s parks the task until another handle answers", async (ask, method) => {
      const taskId = await newTask();
      const { outcome } = await start(taskId, async (task) => ({ got: await task[ask](form) }));
      const parked = await other.waitForTask(taskId, { until: ["input_required"] });
      const { inputRequests } = await record(taskId);
      const [key = ""] = Object.keys(inputRequests);
      expect(inputRequests).toEqual({ [key]: { method, params: form } });
      expect(await other.provideInputs(taskId, { unknown: {}, [key]: answer })).toEqual([key]);
      expect((await other.waitForTask(taskId, { until: "change", after: parked.revision })).task.status).not.toBe(
        "input_required",
      );
      expect(await outcome).toEqual({ stored: true, status: "completed", result: { got: answer } });
    });

    test("two at a time are both visible, and each gets its answer", async () => {
      const taskId = await newTask();
      const { outcome } = await start(taskId, async ({ elicit }) => ({
        got: await Promise.all([elicit(form, { key: "from" }), elicit(form, { key: "to" })]),
      }));
      let revision = 0;
      while (Object.keys((await record(taskId)).inputRequests).length < 2)
        ({ revision } = await other.waitForTask(taskId, { until: "change", after: revision }));
      await other.provideInputs(taskId, { to: { action: "decline" } });
      expect(await record(taskId)).toMatchObject({ task: { status: "input_required" }, inputRequests: { from: {} } });
      await other.provideInputs(taskId, { from: answer });
      expect((await outcome).result).toEqual({ got: [answer, { action: "decline" }] });
    });

    test("a run after a lost one asks the same and gets the stored answer at once", async () => {
      const taskId = await newTask();
      const { runner, resume } = stalled();
      const answered = Promise.withResolvers<void>();
      const { outcome: lost } = await start(
        taskId,
        async ({ elicit, signal }) => {
          await elicit(form);
          answered.resolve();
          throw await aborted(signal);
        },
        { leaseMs: 10_000, heartbeatMs: 1 },
        runner,
      );
      await other.waitForTask(taskId, { until: ["input_required"] });
      const [key = ""] = Object.keys((await record(taskId)).inputRequests);
      await other.provideInputs(taskId, { [key]: answer });
      await answered.promise;
      await place.skip(10_001);

      const statuses: string[] = [];
      const stop = await store.subscribe(({ task }) => statuses.push(task.status), { taskId });
      const second = await runTask(other, taskId, async ({ elicit, attempt }) => ({
        attempt,
        got: await elicit(form),
      }));
      expect(second).toMatchObject({ stored: true, result: { attempt: 2, got: answer } });
      await store.waitForTask(taskId);
      stop();
      expect(statuses).not.toContain("input_required");
      resume();
      expect(await lost).toMatchObject({ stored: false });
    });

    test("the same question twice in a run is two questions", async () => {
      const taskId = await newTask();
      const { outcome } = await start(taskId, async ({ elicit }) => ({
        got: [await elicit(form), await elicit(form)],
      }));
      for (const round of [1, 2]) {
        await other.waitForTask(taskId, { until: ["input_required"] });
        const [key = ""] = Object.keys((await record(taskId)).inputRequests);
        await other.provideInputs(taskId, { [key]: { round } });
      }
      expect((await outcome).result).toEqual({ got: [{ round: 1 }, { round: 2 }] });
    });

    test("no answer in time fails the task, unless the handler goes on without", async () => {
      const [strict, lenient] = [await newTask(), await newTask()];
      const failed = await runTask(store, strict, ({ elicit }) => elicit(form), { inputTimeoutMs: 5 });
      expect(failed).toMatchObject({ stored: true, status: "failed", error: { name: "TimeoutError" } });
      const handler: TaskHandler = ({ elicit }) => elicit(form, { timeoutMs: 5 }).catch(() => DONE);
      expect(await runTask(store, lenient, handler)).toMatchObject({ stored: true, status: "completed" });
      expect((await record(lenient)).inputRequests).toEqual({});
    });

    test("a key that had another question is refused", async () => {
      const taskId = await newTask();
      const { outcome } = await start(taskId, async ({ elicit }) => {
        await elicit({ message: "one" }, { key: "a" });
        return elicit({ message: "two" }, { key: "a" });
      });
      await other.waitForTask(taskId, { until: ["input_required"] });
      await other.provideInputs(taskId, { a: answer });
      expect(await outcome).toMatchObject({ stored: true, status: "failed", error: code("INVALID_ARGUMENT") });
    });
  });

  describe("progress", () => {
    test("sets the message, and saves the checkpoint for the next run alone", async () => {
      const taskId = await newTask();
      const { runner, resume } = stalled();
      const { outcome, task } = await start(taskId, untilAborted, { leaseMs: 10_000, heartbeatMs: 1 }, runner);
      expect(await task.progress("1 of 2", { next: 2 })).toBe(true);
      expect(await task.progress("still 1 of 2")).toBe(true);
      const { statusMessage, ...wire } = (await other.getTask(taskId)) ?? {};
      expect(statusMessage).toBe("still 1 of 2");
      expect(JSON.stringify(wire)).not.toContain("next");
      await place.skip(10_001);
      const second = await runTask(other, taskId, ({ checkpoint }) => ({ checkpoint }));
      expect(second).toMatchObject({ stored: true, result: { checkpoint: { next: 2 } } });
      resume();
      expect(await outcome).toMatchObject({ stored: false });
    });

    test("after the handler has returned changes nothing", async () => {
      const taskId = await newTask();
      const { task, outcome } = await start(taskId, () => DONE);
      await outcome;
      expect(await task.progress("late")).toBe(false);
      expect((await record(taskId)).task.statusMessage).toBeUndefined();
    });

    test("that cannot be stored is the handler's error", async () => {
      const taskId = await newTask();
      const outcome = await runTask(store, taskId, async ({ progress }) => {
        await progress("half", { count: 1n });
        return DONE;
      });
      expect(outcome).toMatchObject({ stored: true, status: "failed", error: code("INVALID_ARGUMENT") });
    });
  });

  describe("the runner's own signal", () => {
    test("gives the lease back, and another runner takes over at once", async () => {
      const taskId = await newTask();
      const stop = new AbortController();
      const { outcome } = await start(taskId, untilAborted, { signal: stop.signal });
      const reason = new Error("shutting down");
      stop.abort(reason);
      expect(await outcome).toEqual({ stored: false, status: "working", error: reason, reason });
      expect(await runTask(other, taskId, ({ attempt }) => ({ attempt }))).toMatchObject({ result: { attempt: 1 } });
    });

    test("aborted before the start aborts the handler at once", async () => {
      const taskId = await newTask();
      const outcome = await runTask(store, taskId, untilAborted, { signal: AbortSignal.abort("no") });
      expect(outcome).toMatchObject({ stored: false, reason: "no" });
      expect(await runTask(other, taskId, () => DONE)).toMatchObject({ stored: true });
    });

    test("a result that is ready all the same is stored", async () => {
      const taskId = await newTask();
      const stop = new AbortController();
      const { handler, finish } = held();
      const { outcome } = await start(taskId, handler, { signal: stop.signal });
      stop.abort("stop");
      finish(DONE);
      expect(await outcome).toEqual({ stored: true, status: "completed", result: DONE, reason: "stop" });
    });

    test("leaves the handler time to save how far it got, and keeps the lease meanwhile", async () => {
      const taskId = await newTask();
      const stop = new AbortController();
      let renewed = Promise.withResolvers<void>();
      const renewLease: TaskStore["renewLease"] = async (lease) => {
        const told = renewed;
        await store.renewLease(lease);
        told.resolve();
      };
      const { handler, fail } = held();
      const runner = withMethods(store, { renewLease });
      const { task, outcome } = await start(
        taskId,
        handler,
        { signal: stop.signal, leaseMs: 10_000, heartbeatMs: 5 },
        runner,
      );
      stop.abort("stop");
      for (let skipped = 0; skipped < 20_000; skipped += 5_000) {
        await place.skip(5_000);
        renewed = Promise.withResolvers<void>();
        await renewed.promise;
      }
      expect(await task.progress("stopping", { next: 3 })).toBe(true);
      fail(task.signal.reason);
      expect(await outcome).toMatchObject({ stored: false, status: "working", reason: "stop" });
      expect(await task.progress("late", { next: 4 })).toBe(false);
      const second = await runTask(other, taskId, ({ checkpoint }) => ({ checkpoint }));
      expect(second).toMatchObject({ result: { checkpoint: { next: 3 } } });
    });

    test("does not suspend the deadline", async () => {
      const taskId = await newTask();
      const { handler, finish } = held();
      const { outcome } = await start(taskId, handler, { signal: AbortSignal.abort("stop"), timeoutMs: 5 });
      expect((await other.waitForTask(taskId)).task.status).toBe("failed");
      finish(DONE);
      expect(await outcome).toEqual({ stored: false, status: "failed", result: DONE, reason: "stop" });
    });

    test("of a run that ended itself stops a run within it as any other signal does", async () => {
      const [parent, child] = [await newTask(), await newTask()];
      const { handler, finish } = held();
      const inner = Promise.withResolvers<Awaited<ReturnType<typeof start>>>();
      const { outcome } = await start(parent, async ({ signal }) => {
        inner.resolve(await start(child, handler, { signal }));
        await (await inner.promise).outcome;
        return {};
      });
      const { task, outcome: childOutcome } = await inner.promise;
      await other.cancelTask(parent);
      await aborted(task.signal);
      finish(DONE);
      expect(await childOutcome).toMatchObject({ stored: true, status: "completed" });
      expect(await outcome).toMatchObject({ stored: false, status: "cancelled" });
    });
  });

  test.each([
    ["has no prototype", () => Object.create(null)],
    ["cannot be read", () => Object.defineProperty({}, "code", { get: () => expect.unreachable() })],
  ])("what is thrown and %s fails the task all the same", async (_, thrown) => {
    const taskId = await newTask();
    expect(await runTask(store, taskId, () => Promise.reject(thrown()))).toMatchObject({
      stored: true,
      status: "failed",
    });
    expect((await record(taskId)).error).toMatchObject({ code: -32603 });
  });

  test("a result that cannot be read fails the task", async () => {
    const taskId = await newTask();
    const result = Object.defineProperty({}, "content", { enumerable: true, get: () => expect.unreachable() });
    expect(await runTask(store, taskId, () => result)).toMatchObject({ stored: true, status: "failed" });
  });

  test("a task that is not there runs nothing, and says so without a rejection", async () => {
    const outcome = await runTask(store, "missing", () => expect.unreachable());
    expect(outcome).toEqual({ stored: false, status: undefined, reason: code("TASK_NOT_FOUND") });
  });

  test.each([
    ["a lease of no duration", { leaseMs: 0 }],
    ["a heartbeat of no interval", { heartbeatMs: 0 }],
    ["a heartbeat that comes too late for the lease", { leaseMs: 100, heartbeatMs: 99 }],
    ["a deadline in the past", { timeoutMs: -1 }],
  ] as const)("%s is refused before anything runs", async (_, options) => {
    const run = runTask(store, await newTask(), () => expect.unreachable(), options);
    expect(await rejection(run)).toEqual(code("INVALID_ARGUMENT"));
  });
});
