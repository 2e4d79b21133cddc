// Not portable: the first use of a cap fills the sets that it counts.

import { expect, test } from "vitest";
import { openStore, operator, ownServer, REQUEST } from "./support/server.ts";

/** More tasks than one script reads. */
const MADE_BEFORE = 1200;

test("counting sets exist only once a cap is used, and the first use fills them in steps", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const free = openStore({ url });
  const tasks = await Promise.all(Array.from({ length: MADE_BEFORE }, () => free.createTask({}, 1, REQUEST, "ada")));
  for (const { taskId } of tasks.slice(0, 10)) await free.cancelTask(taskId, { owner: "ada" });
  await free.createTask({ ttl: 60_000 }, 1, REQUEST);
  expect(await redis.keys("*active*")).toEqual([]);

  const capped = openStore({ url, limits: { activeTasksPerOwner: MADE_BEFORE - 9 } });
  const calls = Array.from({ length: 5 }, (_, index) => capped.createTask({ taskId: `${index}` }, 1, REQUEST, "ada"));
  const made = (await Promise.allSettled(calls)).filter(({ status }) => status === "fulfilled");
  expect(made).toHaveLength(1);
  expect(await redis.zcard("{mcp}:active-of:ada")).toBe(MADE_BEFORE - 9);
  expect(await redis.zcard("{mcp}:active")).toBe(MADE_BEFORE - 8);
});

test("a count that a process abandoned is continued and misses no new task", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const free = openStore({ url });
  for (const taskId of ["a", "b", "c"]) await free.createTask({ taskId }, 1, REQUEST);
  // The state after a process was killed in its first step, which read one task.
  await redis
    .multi()
    .set("{mcp}:counted", "1")
    .zadd("{mcp}:active", "+inf", "a")
    .zadd("{mcp}:active-of", "+inf", "a")
    .exec();
  await free.createTask({ taskId: "d" }, 1, REQUEST);
  await free.cancelTask("b");

  const capped = openStore({ url, limits: { activeTasks: 4 } });
  await capped.createTask({ taskId: "e" }, 1, REQUEST);
  await expect(capped.createTask({}, 1, REQUEST)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  for (const key of ["{mcp}:active", "{mcp}:active-of"])
    expect((await redis.zrange(key, "0", "-1")).toSorted()).toEqual(["a", "c", "d", "e"]);
});
