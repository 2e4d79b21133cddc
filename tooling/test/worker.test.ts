import assert from "node:assert/strict";
import { once } from "node:events";
import {
  ANY_OWNER,
  type CreateTaskOptions,
  type RunOutcome,
  runTask,
  startWorker,
  type TaskHandler,
  type TaskStore,
  type TaskStoreError,
  type TaskWorker,
  type WorkerOptions,
} from "@mcp-task-store/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { aborted } from "./fixtures/events.ts";
import { type Place, stores, withMethods } from "./fixtures/stores.ts";

/** A poll that never comes: what happens, happens because of a signal. */
const NEVER = 2 ** 31 - 1;
const code = (value: TaskStoreError["code"]) => expect.objectContaining({ name: "TaskStoreError", code: value });
const untilAborted: TaskHandler = async ({ signal }) => {
  throw await aborted(signal);
};

async function newTask(store: TaskStore, options: CreateTaskOptions = {}, name = "work"): Promise<string> {
  const request = { method: "tools/call", params: { name } };
  return (await store.createTask({ ttl: 60_000, claimAfterMs: 0, ...options }, 1, request)).taskId;
}

describe.each(stores)("startWorker over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();
  let place: Place;
  let store: TaskStore;
  let other: TaskStore;
  const workers: TaskWorker[] = [];

  beforeEach(async () => {
    place = await newPlace();
    store = place.open();
    other = place.open();
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
    await place[Symbol.asyncDispose]();
  });

  function start(handlers: Record<string, TaskHandler>, options: WorkerOptions = {}, on = store): TaskWorker {
    const worker = startWorker(on, handlers, options);
    workers.push(worker);
    return worker;
  }

  test("takes tasks that wait already, and new ones of another handle without a poll", async () => {
    const waiting = await newTask(other);
    start({ work: ({ taskId }) => ({ did: taskId }) }, { pollMs: NEVER });
    expect(await other.waitForResult(waiting)).toEqual({ did: waiting });
    for (let round = 0; round < 3; round += 1) {
      const taskId = await newTask(other);
      expect(await other.waitForResult(taskId)).toEqual({ did: taskId });
    }
  });

  test("leaves tasks alone whose creator has time left to run them, until that is over", async () => {
    const taskId = await newTask(other, { claimAfterMs: 10_000 });
    const marker = await newTask(other);
    start({ work: ({ attempt }) => ({ attempt }) }, { pollMs: 1 });
    await other.waitForResult(marker);
    expect(await other.getRecord(taskId, { owner: ANY_OWNER })).toMatchObject({ attempt: 0 });
    await place.skip(10_001);
    expect(await other.waitForResult(taskId)).toEqual({ attempt: 1 });
  });

  test("a task that was claimed while the worker stopped is given back, not run", async () => {
    const taskId = await newTask(other);
    const claimed = Promise.withResolvers<void>();
    const claimTask: TaskStore["claimTask"] = async (options) => {
      const claim = await store.claimTask(options);
      claimed.resolve();
      // stop() comes in between.
      await new Promise(setImmediate);
      return claim;
    };
    const worker = start({ work: () => expect.unreachable() }, {}, withMethods(store, { claimTask }));
    await claimed.promise;
    await worker.stop();
    expect(await other.getRecord(taskId, { owner: ANY_OWNER })).toMatchObject({
      attempt: 0,
      task: { status: "working" },
    });
    expect(await runTask(other, taskId, () => ({}))).toMatchObject({ stored: true });
  });

  test("options of its runs that cannot be right are refused at once", () => {
    expect(() => startWorker(store, { work: () => ({}) }, { leaseMs: 300, heartbeatMs: 299 })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });

  test("goes on when onRun throws", async () => {
    const [first, second] = [await newTask(other), await newTask(other)];
    const warned = once(process, "warning");
    start({ work: () => ({}) }, { onRun: () => assert.fail("a bug in onRun") });
    await Promise.all([other.waitForResult(first), other.waitForResult(second)]);
    expect((await warned)[0]).toMatchObject({ message: "a bug in onRun" });
  });

  test("takes only what it has a handler for", async () => {
    const foreign = await newTask(other, {}, "toString");
    const mine = await newTask(other);
    const ran: string[] = [];
    start({ work: ({ taskId }) => ({ count: ran.push(taskId) }) }, { pollMs: 1 });
    await other.waitForResult(mine);
    expect(ran).toEqual([mine]);
    expect(await other.getRecord(foreign, { owner: ANY_OWNER })).toMatchObject({
      attempt: 0,
      task: { status: "working" },
    });
  });

  test("runs as many at once as it may, and no more", async () => {
    const taskIds = await Promise.all(Array.from({ length: 6 }, () => newTask(other)));
    let running = 0;
    let most = 0;
    const release: (() => void)[] = [];
    let full = Promise.withResolvers<void>();
    start(
      {
        async work() {
          running += 1;
          most = Math.max(most, running);
          await new Promise<void>((resolve) => {
            release.push(resolve);
            if (release.length === 2) full.resolve();
          });
          running -= 1;
          return {};
        },
      },
      { concurrency: 2, pollMs: 1 },
    );
    start({ marker: () => ({}) }, { pollMs: NEVER }, place.open());
    for (let pair = 0; pair < 3; pair += 1) {
      await full.promise;
      // As long as another worker takes to run a task, this one has for taking a third.
      await other.waitForResult(await newTask(other, {}, "marker"));
      full = Promise.withResolvers();
      for (const go of release.splice(0)) go();
    }
    await Promise.all(taskIds.map((taskId) => other.waitForResult(taskId)));
    expect(most).toBe(2);
  });

  test("takes the next task while the outcome of the last one is being stored", async () => {
    const [first, second] = [await newTask(other), await newTask(other)];
    const secondRuns = Promise.withResolvers<void>();
    const finishTask: TaskStore["finishTask"] = async (taskId, ...rest) => {
      if (taskId === first) await secondRuns.promise;
      return store.finishTask(taskId, ...rest);
    };
    const work: TaskHandler = ({ taskId }) => {
      if (taskId === second) secondRuns.resolve();
      return {};
    };
    start({ work }, { concurrency: 1, pollMs: NEVER }, withMethods(store, { finishTask }));
    await Promise.all([other.waitForResult(first), other.waitForResult(second)]);
  });

  test("each task goes to one of several workers", async () => {
    const ran: string[] = [];
    const handler: TaskHandler = ({ taskId }) => ({ count: ran.push(taskId) });
    for (const handle of [store, other, place.open()]) start({ work: handler }, { concurrency: 2 }, handle);
    const taskIds = await Promise.all(Array.from({ length: 30 }, () => newTask(other)));
    await Promise.all(taskIds.map((taskId) => other.waitForResult(taskId)));
    expect(ran.toSorted()).toEqual(taskIds.toSorted());
  });

  test("takes a task over whose lease lapsed, with its checkpoint and one more attempt", async () => {
    const taskId = await newTask(other, { claimAfterMs: 30_000 });
    const lease = await other.acquireLease(taskId, { owner: ANY_OWNER, durationMs: 10_000 });
    await other.updateTask(taskId, { checkpoint: { next: 7 } }, { owner: ANY_OWNER, lease });
    start({ work: ({ attempt, checkpoint }) => ({ attempt, checkpoint }) }, { pollMs: 1 });
    await place.skip(10_001);
    expect(await other.waitForResult(taskId)).toEqual({ attempt: 2, checkpoint: { next: 7 } });
  });

  test("a task that lost its runner too often fails, and says so", async () => {
    const taskId = await newTask(other);
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      await other.acquireLease(taskId, { owner: ANY_OWNER, durationMs: 10_000 });
      await place.skip(10_001);
    }
    let ran = false;
    const handler: TaskHandler = () => {
      ran = true;
      return {};
    };
    start({ work: handler }, { maxAttempts: 2, pollMs: 1 });
    await other.waitForTask(taskId);
    expect(await other.getRecord(taskId, { owner: ANY_OWNER })).toMatchObject({
      task: { status: "failed" },
      error: { code: -32603, message: expect.stringContaining("its runner was lost 2 times") },
    });
    expect(ran).toBe(false);
  });

  test("a task may use up its last attempt", async () => {
    const taskId = await newTask(other);
    await other.acquireLease(taskId, { owner: ANY_OWNER, durationMs: 10_000 });
    await place.skip(10_001);
    start({ work: ({ attempt }) => ({ attempt }) }, { maxAttempts: 2, pollMs: 1 });
    expect(await other.waitForResult(taskId)).toEqual({ attempt: 2 });
  });

  test("a handler that throws fails its task, and the worker goes on", async () => {
    const outcomes: [string, RunOutcome][] = [];
    const errors: TaskStoreError[] = [];
    const work: TaskHandler = ({ request }) => {
      if (request.params?.["name"] === "work") throw new Error("broken");
      return {};
    };
    start({ work, also: work }, { onRun: (...run) => outcomes.push(run), onError: (error) => errors.push(error) });
    const failing = await newTask(other);
    expect((await other.waitForTask(failing)).task.status).toBe("failed");
    const fine = await newTask(other, {}, "also");
    await other.waitForResult(fine);
    await Promise.all(workers.map((worker) => worker.stop()));
    expect(outcomes).toEqual([
      [failing, { stored: true, status: "failed", error: new Error("broken") }],
      [fine, { stored: true, status: "completed", result: {} }],
    ]);
    expect(errors).toEqual([]);
  });

  test("stop() aborts what runs, gives the leases back, and another worker goes on", async () => {
    const taskIds = [await newTask(other), await newTask(other)];
    const started = taskIds.map(() => Promise.withResolvers<void>());
    const outcomes: RunOutcome[] = [];
    const first = start(
      {
        work(task) {
          started.pop()?.resolve();
          return untilAborted(task);
        },
      },
      { concurrency: 2, onRun: (_, outcome) => outcomes.push(outcome) },
    );
    await Promise.all(started.map(({ promise }) => promise));
    await first.stop();
    expect(outcomes).toEqual(
      taskIds.map(() =>
        expect.objectContaining({
          stored: false,
          status: "working",
          reason: expect.objectContaining({ name: "AbortError" }),
        }),
      ),
    );
    start({ work: ({ attempt }) => ({ attempt }) }, { pollMs: NEVER }, other);
    expect(await Promise.all(taskIds.map((taskId) => store.waitForResult(taskId)))).toEqual([
      { attempt: 1 },
      { attempt: 1 },
    ]);
  });

  test("stop() waits for a handler that takes its time, and takes no more tasks", async () => {
    const taskId = await newTask(other);
    const started = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const worker = start({
      async work() {
        started.resolve();
        await end.promise;
        return { done: true };
      },
    });
    await started.promise;
    const stopped = worker.stop();
    const later = await newTask(other);
    end.resolve();
    await stopped;
    expect(await other.getTaskResult(taskId)).toEqual({ done: true });
    expect(await other.getRecord(later, { owner: ANY_OWNER })).toMatchObject({ attempt: 0 });
    await worker.stop();
  });

  test("its own signal stops it as stop() does", async () => {
    const taskId = await newTask(other);
    const controller = new AbortController();
    const started = Promise.withResolvers<void>();
    const worker = start(
      {
        work(task) {
          started.resolve();
          return untilAborted(task);
        },
      },
      { signal: controller.signal },
    );
    await started.promise;
    controller.abort("shutdown");
    await worker.stop();
    expect(await runTask(other, taskId, () => ({}))).toMatchObject({ stored: true });
  });

  test("closing the store ends it", async () => {
    const errors: TaskStoreError[] = [];
    const worker = start({ work: untilAborted }, { onError: (error) => errors.push(error) });
    await newTask(other);
    await store.close();
    await worker.stop();
    expect(errors).toEqual([]);
  });

  test.each([
    [{}, {}],
    [{ work: untilAborted }, { concurrency: 0 }],
    [{ work: untilAborted }, { maxAttempts: 0 }],
    [{ work: untilAborted }, { pollMs: 0 }],
    [{ work: untilAborted }, { leaseMs: Number.NaN }],
  ])("options that cannot be right are refused: %o %o", (handlers, options) => {
    expect(() => startWorker(store, handlers, options)).toThrow(code("INVALID_ARGUMENT"));
  });
});
