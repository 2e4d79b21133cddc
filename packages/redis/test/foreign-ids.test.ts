// Not portable: what the scripts read of a foreign task.
import { expect, test } from "vitest";
import { startMonitor } from "./support/monitor.ts";
import { openStore, operator, ownServer, REQUEST } from "./support/server.ts";

test("scripts read only the state and owner of a foreign task", async () => {
  // MONITOR of ioredis fails on a server with other traffic.
  const { url } = await ownServer();
  const redis = operator(url);
  const store = openStore({ url });
  const { taskId } = await store.createTask({}, 1, REQUEST, "alice");
  const monitor = await startMonitor(redis);
  const read: string[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  monitor.on("monitor", (_time: string, [command, key, ...fields]: string[], source: string) => {
    if (source === "lua" && key?.endsWith(taskId)) read.push([command, ...fields].join(" "));
    if (key === "the end") resolve();
  });
  const owner = "bob";
  await expect(store.updateTaskStatus(taskId, "working", "x", owner)).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
  await expect(store.cancelTask(taskId, { owner })).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
  await expect(store.getTaskResult(taskId, owner)).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
  expect(await store.getRecord(taskId, { owner })).toBeNull();
  await redis.echo("the end");
  await ended;
  monitor.disconnect();
  expect(read).toEqual(Array.from({ length: 4 }, () => "HMGET state owner"));
});
