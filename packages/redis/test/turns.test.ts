// Not portable: the queues that only claims with limits need.

import { expect, test } from "vitest";
import { openStore, operator, ownServer, REQUEST } from "./support/server.ts";

/** More tasks than one script reads. */
const MADE_BEFORE = 1200;
const limits = (running: number) => ({ names: ["grind"], concurrency: { grind: { running } } });

test("queues exist only once a claim has limits, the first such claim fills them in steps, and they end with their tasks", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const store = openStore({ url });
  const create = (owner: string | undefined) => store.createTask({ claimAfterMs: 0, ttl: 60_000 }, 1, REQUEST, owner);
  await Promise.all(Array.from({ length: MADE_BEFORE }, (_, index) => create(`owner ${index % 7}`)));
  await store.claimTask({ names: ["grind"] });
  const added = async () => (await redis.keys("*")).filter((key) => /queue:|owners|turns|places|queued/.test(key));
  expect(await added()).toEqual([]);

  const claimed = await store.claimTasks({ ...limits(2000), limit: 1000 });
  expect(await redis.zcard("{mcp}:owners:grind")).toBe(7);
  await create(undefined);
  const after = [await store.claimTasks({ ...limits(2000), limit: 1000 })];
  while ((after.at(-1) ?? []).length > 0) after.push(await store.claimTasks({ ...limits(2000), limit: 1000 }));
  expect(claimed.length + after.flat().length).toBe(MADE_BEFORE);
  expect(await redis.zcard("{mcp}:places:grind")).toBe(MADE_BEFORE);

  await store.operations.cancelTasks({ name: "grind" });
  await store.operations.removeTasks({ name: "grind" });
  expect((await added()).filter((key) => !/places/.test(key)).toSorted()).toEqual(["{mcp}:queued", "{mcp}:turns"]);
  // Each claim with limits that finds something removes places of tasks that ended.
  await create("ada");
  await store.claimTask(limits(1));
  expect(await redis.zcard("{mcp}:places:grind")).toBe(1);
}, 60_000);

test("a filling that a process abandoned is continued and misses no new task", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const store = openStore({ url });
  const create = (taskId: string) => store.createTask({ taskId, claimAfterMs: 0 }, 1, REQUEST, "ada");
  for (const taskId of ["a", "b", "c"]) await create(taskId);
  // The state after a process was killed in its first step, which read one task.
  const queue = "{mcp}:queue:grind\0=ada";
  const position = "1";
  await redis.multi().set("{mcp}:queued", position).zadd(queue, 1, "a").zadd("{mcp}:owners:grind", 0, "=ada").exec();
  await create("d");
  const claimed = await store.claimTasks({ ...limits(10), limit: 10 });
  expect(claimed.map(({ lease }) => lease.taskId).toSorted()).toEqual(["a", "b", "c", "d"]);
});

test("entries of tasks that ended elsewhere do not hide those behind them", async () => {
  const { url } = await ownServer();
  const store = openStore({ url });
  const create = () => store.createTask({ claimAfterMs: 0 }, 1, REQUEST, "ada");
  await create();
  await store.claimTask(limits(10));
  const tasks = await Promise.all(Array.from({ length: MADE_BEFORE }, create));
  for (let at = 0; at < tasks.length; at += 100)
    await Promise.all(tasks.slice(at, at + 100).map(({ taskId }) => store.cancelTask(taskId, { owner: "ada" })));
  const { taskId } = await create();
  expect((await store.claimTask(limits(10)))?.lease.taskId).toBe(taskId);
}, 60_000);
