import { ANY_OWNER, drain, runNext, type TaskContext } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { stores } from "../../../../tooling/test/fixtures/stores.ts";
import { NEVER, newTask, useScene } from "./support.ts";

describe.each(stores)("handlers with limits, over $name", (kind) => {
  const scene = useScene(kind);

  /** A handler that counts its runs, and ends one when the test says so. */
  function counted() {
    const state = { now: 0, most: 0, ran: 0, ends: [] as (() => void)[] };
    const begun = { wait: Promise.withResolvers<void>() };
    const handler = async (_: TaskContext) => {
      state.now += 1;
      state.ran += 1;
      state.most = Math.max(state.most, state.now);
      const end = Promise.withResolvers<void>();
      state.ends.push(end.resolve);
      begun.wait.resolve();
      begun.wait = Promise.withResolvers();
      await end.promise;
      state.now -= 1;
      return {};
    };
    const until = async (ran: number) => {
      while (state.ran < ran) await begun.wait.promise;
    };
    return { state, handler, until };
  }

  test("workers of two handles run no more tasks at once than a handler's limit says, and all in the end", async () => {
    const { state, handler, until } = counted();
    const handlers = { work: { handler, concurrency: { running: 2 } } };
    for (let n = 0; n < 6; n += 1) await newTask(scene.store);
    const options = { concurrency: 4, claimPollMs: NEVER };
    const workers = [scene.start(handlers, options), scene.start(handlers, options, scene.other)];
    for (let ran = 2; ran <= 6; ran += 1) {
      await until(ran);
      // A place that becomes free in a worker is taken by it at once.
      if (ran < 6) state.ends.shift()?.();
    }
    for (const end of state.ends) end();
    await Promise.all(workers.map((worker) => worker.stop()));
    expect(state).toMatchObject({ most: 2, ran: 6, now: 0 });
  });

  test("a place that becomes free elsewhere is taken at the next look", async () => {
    const { state, handler, until } = counted();
    const handlers = { work: { handler, concurrency: { runningPerOwner: 1 } } };
    await newTask(scene.other);
    const concurrency = { work: { runningPerOwner: 1 } };
    const held = await scene.other.claimTask({ names: ["work"], concurrency });
    await newTask(scene.other);
    scene.start(handlers, { claimPollMs: 5 });
    await scene.other.finishTask(held?.lease.taskId ?? "", { status: "completed", result: {} });
    await until(1);
    for (const end of state.ends) end();
  });

  test("drain leaves tasks over the limit, and runNext finds none", async () => {
    const [first, second] = [await newTask(scene.other), await newTask(scene.other)];
    const concurrency = { running: 1 };
    const [held] = await scene.other.claimTasks({ names: ["work"], limit: 5, concurrency: { work: concurrency } });
    const handlers = { work: { handler: () => ({}), concurrency } };
    expect(await drain(scene.store, handlers, { concurrency: 3 })).toEqual({ ran: 0, done: true });
    expect(await runNext(scene.store, handlers)).toBeUndefined();
    await scene.other.releaseLease(held?.lease as never);
    expect(await drain(scene.store, handlers, { concurrency: 3 })).toEqual({ ran: 2, done: true });
    for (const taskId of [first, second])
      expect((await scene.other.getRecord(taskId, { owner: ANY_OWNER }))?.task.status).toBe("completed");
  });
});
