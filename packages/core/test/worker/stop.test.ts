import { ANY_OWNER, type RunOutcome, runTask, type TaskStore, type TaskStoreError } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { untilAborted } from "../../../../tooling/test/fixtures/events.ts";
import { stores, withMethods } from "../../../../tooling/test/fixtures/stores.ts";
import { NEVER, newTask, useScene } from "./support.ts";

describe.each(stores)("startWorker over $name", (kind) => {
  const scene = useScene(kind);

  test("a task claimed during stop() is given back and not run", async () => {
    const taskId = await newTask(scene.other);
    const claimed = Promise.withResolvers<void>();
    const claimTasks: TaskStore["claimTasks"] = async (options) => {
      const claim = await scene.store.claimTasks(options);
      claimed.resolve();
      // stop() happens between the claim and the run.
      await new Promise(setImmediate);
      return claim;
    };
    const worker = scene.start({ work: () => expect.unreachable() }, {}, withMethods(scene.store, { claimTasks }));
    await claimed.promise;
    await worker.stop();
    expect(await scene.other.getRecord(taskId, { owner: ANY_OWNER })).toMatchObject({
      attempt: 0,
      task: { status: "working" },
    });
    expect(await runTask(scene.other, taskId, () => ({}))).toMatchObject({ stored: true });
  });

  test("stop() aborts runs and gives back their leases, so that another worker continues", async () => {
    const taskIds = [await newTask(scene.other), await newTask(scene.other)];
    const started = taskIds.map(() => Promise.withResolvers<void>());
    const outcomes: RunOutcome[] = [];
    const first = scene.start(
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
    for (const taskId of taskIds) {
      const { history = [] } = (await scene.other.operations.getRecord(taskId)) ?? {};
      expect(history.at(-1)).toMatchObject({ event: "given back", error: "The worker was stopped" });
    }
    scene.start({ work: ({ attempt }) => ({ attempt }) }, { claimPollMs: NEVER }, scene.other);
    expect(await Promise.all(taskIds.map((taskId) => scene.store.waitForResult(taskId)))).toEqual([
      { attempt: 1 },
      { attempt: 1 },
    ]);
  });

  test("stop() waits for a slow handler and takes no more tasks", async () => {
    const taskId = await newTask(scene.other);
    const started = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const worker = scene.start({
      async work() {
        started.resolve();
        await end.promise;
        return { done: true };
      },
    });
    await started.promise;
    const stopped = worker.stop();
    const later = await newTask(scene.other);
    end.resolve();
    await stopped;
    expect(await scene.other.getTaskResult(taskId)).toEqual({ done: true });
    expect(await scene.other.getRecord(later, { owner: ANY_OWNER })).toMatchObject({ attempt: 0 });
    await worker.stop();
  });

  test("an aborted signal stops the worker like stop()", async () => {
    const taskId = await newTask(scene.other);
    const controller = new AbortController();
    const started = Promise.withResolvers<void>();
    const worker = scene.start(
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
    expect(await runTask(scene.other, taskId, () => ({}))).toMatchObject({ stored: true });
  });

  test("closing the store ends the worker", async () => {
    const errors: TaskStoreError[] = [];
    const worker = scene.start({ work: untilAborted }, { onError: (error) => errors.push(error) });
    await newTask(scene.other);
    await scene.store.close();
    await worker.stop();
    expect(errors).toEqual([]);
  });
});
