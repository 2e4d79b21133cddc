import { ANY_OWNER, type TaskHandler, type TaskStore } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { stores, withMethods } from "../../../../tooling/test/fixtures/stores.ts";
import { NEVER, newTask, useScene } from "./support.ts";

describe.each(stores)("startWorker over $name", (kind) => {
  const scene = useScene(kind);

  test("takes waiting tasks, and new ones of another handle without a poll", async () => {
    const waiting = await newTask(scene.other);
    scene.start({ work: ({ taskId }) => ({ did: taskId }) }, { claimPollMs: NEVER });
    expect(await scene.other.waitForResult(waiting)).toEqual({ did: waiting });
    for (let round = 0; round < 3; round += 1) {
      const taskId = await newTask(scene.other);
      expect(await scene.other.waitForResult(taskId)).toEqual({ did: taskId });
    }
  });

  test("leaves a task to its creator until claimAfterMs has passed", async () => {
    const taskId = await newTask(scene.other, { claimAfterMs: 10_000 });
    const marker = await newTask(scene.other);
    scene.start({ work: ({ attempt }) => ({ attempt }) }, { claimPollMs: 1 });
    await scene.other.waitForResult(marker);
    expect(await scene.other.getRecord(taskId, { owner: ANY_OWNER })).toMatchObject({ attempt: 0 });
    await scene.place.skip(10_001);
    expect(await scene.other.waitForResult(taskId)).toEqual({ attempt: 1 });
  });

  test("takes only tasks that it has a handler for", async () => {
    const foreign = await newTask(scene.other, {}, "toString");
    const mine = await newTask(scene.other);
    const ran: string[] = [];
    scene.start({ work: ({ taskId }) => ({ count: ran.push(taskId) }) }, { claimPollMs: 1 });
    await scene.other.waitForResult(mine);
    expect(ran).toEqual([mine]);
    expect(await scene.other.getRecord(foreign, { owner: ANY_OWNER })).toMatchObject({
      attempt: 0,
      task: { status: "working" },
    });
  });

  test("runs up to its concurrency, and no more", async () => {
    const taskIds = await Promise.all(Array.from({ length: 6 }, () => newTask(scene.other)));
    let running = 0;
    let most = 0;
    const release: (() => void)[] = [];
    let full = Promise.withResolvers<void>();
    scene.start(
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
      { concurrency: 2, claimPollMs: 1 },
    );
    scene.start({ marker: () => ({}) }, { claimPollMs: NEVER }, scene.place.open());
    for (let pair = 0; pair < 3; pair += 1) {
      await full.promise;
      // While another worker runs a whole task, this one could take a third.
      await scene.other.waitForResult(await newTask(scene.other, {}, "marker"));
      full = Promise.withResolvers();
      for (const go of release.splice(0)) go();
    }
    await Promise.all(taskIds.map((taskId) => scene.other.waitForResult(taskId)));
    expect(most).toBe(2);
  });

  test("takes the next task while the last outcome is being stored", async () => {
    const [first, second] = [await newTask(scene.other), await newTask(scene.other)];
    const secondRuns = Promise.withResolvers<void>();
    const finishTask: TaskStore["finishTask"] = async (taskId, ...rest) => {
      if (taskId === first) await secondRuns.promise;
      return scene.store.finishTask(taskId, ...rest);
    };
    const work: TaskHandler = ({ taskId }) => {
      if (taskId === second) secondRuns.resolve();
      return {};
    };
    scene.start({ work }, { concurrency: 1, claimPollMs: NEVER }, withMethods(scene.store, { finishTask }));
    await Promise.all([scene.other.waitForResult(first), scene.other.waitForResult(second)]);
  });

  test("shares tasks with other workers, each task with exactly one", async () => {
    const ran: string[] = [];
    const handler: TaskHandler = ({ taskId }) => ({ count: ran.push(taskId) });
    for (const handle of [scene.store, scene.other, scene.place.open()])
      scene.start({ work: handler }, { concurrency: 2 }, handle);
    const taskIds = await Promise.all(Array.from({ length: 30 }, () => newTask(scene.other)));
    await Promise.all(taskIds.map((taskId) => scene.other.waitForResult(taskId)));
    expect(ran.toSorted()).toEqual(taskIds.toSorted());
  });

  test("takes over a task whose lease lapsed, with its checkpoint and the next attempt", async () => {
    const taskId = await newTask(scene.other, { claimAfterMs: 30_000 });
    const lease = await scene.other.acquireLease(taskId, { owner: ANY_OWNER, leaseMs: 10_000 });
    await scene.other.updateTask(taskId, { checkpoint: { next: 7 } }, { owner: ANY_OWNER, lease });
    scene.start({ work: ({ attempt, checkpoint }) => ({ attempt, checkpoint }) }, { claimPollMs: 1 });
    await scene.place.skip(10_001);
    expect(await scene.other.waitForResult(taskId)).toEqual({ attempt: 2, checkpoint: { next: 7 } });
  });

  test("fails a task that lost its runner too often, with an error that says so", async () => {
    const taskId = await newTask(scene.other);
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      await scene.other.acquireLease(taskId, { owner: ANY_OWNER, leaseMs: 10_000 });
      await scene.place.skip(10_001);
    }
    let ran = false;
    const handler: TaskHandler = () => {
      ran = true;
      return {};
    };
    scene.start({ work: handler }, { maxAttempts: 2, claimPollMs: 1 });
    await scene.other.waitForTask(taskId);
    expect(await scene.other.getRecord(taskId, { owner: ANY_OWNER })).toMatchObject({
      task: { status: "failed" },
      error: { code: -32603, message: expect.stringContaining("its runner was lost 2 times") },
    });
    expect(ran).toBe(false);
  });

  test("runs a task on its last attempt", async () => {
    const taskId = await newTask(scene.other);
    await scene.other.acquireLease(taskId, { owner: ANY_OWNER, leaseMs: 10_000 });
    await scene.place.skip(10_001);
    scene.start({ work: ({ attempt }) => ({ attempt }) }, { maxAttempts: 2, claimPollMs: 1 });
    expect(await scene.other.waitForResult(taskId)).toEqual({ attempt: 2 });
  });
});
