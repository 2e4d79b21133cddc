import {
  ANY_OWNER,
  drain,
  type RanTask,
  type RunOutcome,
  runNext,
  runTask,
  type TaskHandlers,
  type TaskStore,
  TaskStoreError,
} from "@mcp-task-store/core";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { rejection, untilAborted } from "../../../../tooling/test/fixtures/events.ts";
import { MemoryTaskStore, stores, withMethods } from "../../../../tooling/test/fixtures/stores.ts";
import { newTask, useScene } from "./support.ts";

const done = (value: unknown) => ({ content: [{ type: "text" as const, text: String(value) }] });
/** Longer than a test may take. */
const LONG = 600_000;

describe.each(stores)("over $name", (kind) => {
  const scene = useScene(kind);
  const statusOf = async (taskId: string) => (await scene.other.getTask(taskId))?.status;

  test("runNext runs one task at a time, until there is none", async () => {
    const taskIds = [await newTask(scene.other), await newTask(scene.other)];
    const ran: (RanTask | undefined)[] = [];
    for (const left of [1, 0, 0]) {
      ran.push(await runNext(scene.store, { work: ({ attempt }) => done(attempt) }));
      const statuses = await Promise.all(taskIds.map(statusOf));
      expect(statuses.filter((status) => status === "working")).toHaveLength(left);
    }
    expect(ran.pop()).toBeUndefined();
    const outcome = expect.objectContaining({ stored: true, status: "completed", result: done(1) });
    for (const each of ran) expect(each).toEqual({ taskId: expect.any(String), name: "work", outcome });
    expect(ran.map((each) => each?.taskId).toSorted()).toEqual(taskIds.toSorted());
    expect(await Promise.all(taskIds.map(statusOf))).toEqual(["completed", "completed"]);
  });

  test("only tasks that a handler can run and that no runner holds are taken", async () => {
    const other = await newTask(scene.other, {}, "other");
    const held = await newTask(scene.other);
    const later = await newTask(scene.other, { claimAfterMs: LONG });
    const release = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const run = runTask(scene.other, held, async () => {
      started.resolve();
      await release.promise;
      return done("held");
    });
    await started.promise;
    expect(await runNext(scene.store, { work: () => expect.unreachable() })).toBeUndefined();
    expect(await drain(scene.store, { work: () => expect.unreachable() })).toEqual({ ran: 0, done: true });
    release.resolve();
    await run;
    expect(await Promise.all([other, later].map(statusOf))).toEqual(["working", "working"]);
  });

  test("drain runs what there is, also what its handlers make, at most `concurrency` at once", async () => {
    const taskIds = await Promise.all(Array.from({ length: 5 }, () => newTask(scene.other)));
    const outcomes = new Map<string, RunOutcome>();
    let [running, most] = [0, 0];
    const bothRun = Promise.withResolvers<void>();
    const drained = await drain(
      scene.store,
      {
        async work() {
          running += 1;
          most = Math.max(most, running);
          if (running === 2) bothRun.resolve();
          await bothRun.promise;
          running -= 1;
          return done("work");
        },
        last: { handler: () => done("last"), onLost: "fail" },
        async first({ taskId }) {
          return done(`${taskId} ${await newTask(scene.store, {}, "last")}`);
        },
      },
      { concurrency: 2, onRun: (taskId, outcome) => outcomes.set(taskId, outcome) },
    );
    expect(drained).toEqual({ ran: 5, done: true });
    expect(most).toBe(2);
    expect([...outcomes.keys()].toSorted()).toEqual(taskIds.toSorted());
    await newTask(scene.other, {}, "first");
    const names = { first: async () => done(await newTask(scene.store, {}, "last")), last: () => done("last") };
    expect(await drain(scene.store, names, { concurrency: 2 })).toEqual({ ran: 2, done: true });
  });

  test.each(["maxMs", "signal"])(
    "%s stops the runs and gives their tasks back, and the next call goes on",
    async (by) => {
      for (const _ of [1, 2]) await newTask(scene.other);
      let taskId = "";
      const stop = new AbortController();
      // Only the limit follows the fake clock. The handler moves it when it has come half-way.
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      onTestFinished(() => void vi.useRealTimers());
      const handlers: TaskHandlers = {
        async work(task) {
          taskId = task.taskId;
          await task.progress("half-way", 1);
          if (by === "maxMs") vi.advanceTimersByTime(50);
          else stop.abort(new Error("enough"));
          return untilAborted(task);
        },
      };
      const options = by === "maxMs" ? { maxMs: 50 } : { signal: stop.signal };
      expect(await drain(scene.store, handlers, options)).toEqual({ ran: 1, done: false });
      vi.useRealTimers();
      expect(await scene.other.getRecord(taskId, { owner: ANY_OWNER })).toMatchObject({
        task: { status: "working", statusMessage: "half-way" },
        attempt: 0,
        checkpoint: 1,
      });
      const next = { work: ({ checkpoint }: { checkpoint: unknown }) => done(checkpoint) };
      expect(await drain(scene.other, next)).toEqual({ ran: 2, done: true });
      expect(await scene.other.waitForResult(taskId)).toEqual(done(1));
    },
  );

  test("a task that is claimed while the time runs out is given back and not run", async () => {
    const taskId = await newTask(scene.other);
    const stop = new AbortController();
    const claimTasks: TaskStore["claimTasks"] = async (options) => {
      const claimed = await scene.store.claimTasks(options);
      stop.abort();
      return claimed;
    };
    const store = withMethods(scene.store, { claimTasks });
    const never = { work: () => expect.unreachable() };
    expect(await drain(store, never, { signal: stop.signal })).toEqual({ ran: 0, done: false });
    expect(await scene.other.getRecord(taskId, { owner: ANY_OWNER })).toMatchObject({ attempt: 0 });
    expect(await runNext(scene.other, never, { signal: stop.signal })).toBeUndefined();
    expect(await runNext(scene.other, { work: () => done("x") })).toMatchObject({ taskId });
  });

  test("a task whose runner was lost too often fails, and a failure of the handler is its task's", async () => {
    const lost = await newTask(scene.other);
    await scene.other.acquireLease(lost, { owner: ANY_OWNER, leaseMs: 1000 });
    await scene.place.skip(1001);
    const thrown = await newTask(scene.other);
    const work = () => {
      throw new Error("No paper");
    };
    const outcomes: RunOutcome[] = [];
    const options = { maxAttempts: 1, onRun: (_: string, outcome: RunOutcome) => outcomes.push(outcome) };
    expect(await drain(scene.store, { work }, options)).toEqual({ ran: 2, done: true });
    expect(outcomes.map(({ status }) => status)).toEqual(["failed", "failed"]);
    expect((await scene.other.getTask(lost))?.statusMessage).toMatch(/given up: its runner was lost 1 times/);
    expect((await scene.other.getTask(thrown))?.statusMessage).toBe("No paper");
  });

  test("a claim that fails rejects, after the handlers have settled", async () => {
    await newTask(scene.other, {}, "quick");
    const slow = await newTask(scene.other, {}, "slow");
    const failed = Promise.withResolvers<void>();
    let claims = 0;
    const away = new TaskStoreError("BACKEND_UNAVAILABLE", "away");
    const claimTasks: TaskStore["claimTasks"] = async (options) => {
      claims += 1;
      if (claims === 1) return scene.store.claimTasks(options);
      setImmediate(failed.resolve);
      throw away;
    };
    const store = withMethods(scene.store, { claimTasks });
    const handlers: TaskHandlers = {
      quick: () => done("quick"),
      async slow() {
        await failed.promise;
        return done("slow");
      },
    };
    expect(await rejection(drain(store, handlers, { concurrency: 2 }))).toBe(away);
    expect(await statusOf(slow)).toBe("completed");
    expect(await rejection(runNext(store, { work: () => done("x") }))).toBe(away);
  });
});

test("options and handlers that do not exist are refused", async () => {
  await using store = new MemoryTaskStore({ sweepIntervalMs: false });
  const work = () => done("x");
  for (const [call, says] of [
    [runNext(store, { work }, { maxMS: 5 } as object), /runNext does not know "maxMS": did you mean "maxMs"/],
    [runNext(store, { work }, { concurrency: 2 } as object), /runNext does not know "concurrency"/],
    [drain(store, { work }, { concurrency: 0 }), /concurrency must be a whole number from 1/],
    [drain(store, { work }, { maxMs: -1 }), /maxMs must be a number from 0/],
    [drain(store, { work }, { leaseMs: 100, heartbeatMs: 60 }), /heartbeatMs must be/],
    [drain(store, {}), /drain needs at least one handler/],
    [drain(store, { work: "work" } as never), /The handler of "work" must be a function/],
    [drain({} as never, { work }), /drain/],
  ] as const)
    expect(await rejection(call)).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringMatching(says) });
  expect(await drain(store, new Map())).toEqual({ ran: 0, done: true });
});
