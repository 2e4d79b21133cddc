// Not portable: how searches of operators use Redis, and what they keep there.

import { type ExportedTask, RedisBackend, type RedisTaskStore, type TaskFilter } from "@mcp-task-store/redis";
import { expect, onTestFinished, test } from "vitest";
import { MonitorLog, type ScriptRun } from "./support/monitor.ts";
import { openStore, operator, ownServer, REQUEST, until } from "./support/server.ts";

/** More tasks than one script looks at. */
const MANY = 1200;
const WATCHED = "{mcp}:watched";
/** The member that says how far the set was filled. */
const MARK = "\0";
const ACTIVE: TaskFilter = { status: ["active", "failed"] };

async function make(store: RedisTaskStore, ...taskIds: string[]): Promise<void> {
  for (const taskId of taskIds) await store.createTask({ taskId }, 1, REQUEST);
}

async function fail(store: RedisTaskStore, taskId: string): Promise<void> {
  await store.finishTask(taskId, { status: "failed", error: { code: -32000, message: "No flour" } });
}

/** The ids that a search finds, sorted, and how many tasks it looked at. */
async function found(store: RedisTaskStore, where: TaskFilter = ACTIVE): Promise<{ ids: string[]; scanned: number }> {
  const { records, scanned } = await store.operations.listRecords({ where, limit: 1000 });
  return { ids: records.map(({ task }) => task.taskId).toSorted(), scanned };
}

/** The tasks that a script read or wrote. */
function hashesOf({ touched }: ScriptRun): Set<string> {
  return new Set(touched.filter((key) => key.startsWith("{mcp}:task:")));
}

test("the set of active and failed tasks exists only once an operator needs it, and is filled in steps", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const store = openStore({ url });
  await Promise.all(Array.from({ length: MANY }, (_, index) => make(store, `${index}`)));
  await store.operations.cancelTasks({});
  const before = await MonitorLog.start(operator(url));
  await make(store, "working", "failed");
  await store.acquireLease("failed");
  await fail(store, "failed");
  await found(store, { status: "cancelled", owner: null });
  expect((await before.stop()).flatMap(({ touched }) => touched)).not.toContain(WATCHED);
  expect(await redis.exists(WATCHED)).toBe(0);
  expect(await redis.hexists("{mcp}:task:working", "watched")).toBe(0);

  // Searches at once, of two stores, fill one set.
  const log = await MonitorLog.start(operator(url));
  const both = await Promise.all([found(store), found(openStore({ url }))]);
  const runs = await log.stop();
  const two = ["failed", "working"];
  expect(both).toEqual([
    { ids: two, scanned: 2 },
    { ids: two, scanned: 2 },
  ]);
  expect(await redis.zrange(WATCHED, "0", "-1")).toEqual([MARK, "working", "failed"]);
  expect(Math.max(...runs.map((run) => hashesOf(run).size))).toBeLessThanOrEqual(500);
});

test("the set follows every change of a task", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const store = openStore({ url });
  expect(await found(store)).toEqual({ ids: [], scanned: 0 });
  await make(store, "a", "b", "c", "d");
  await store.createTask({ taskId: "short", ttl: 1, claimAfterMs: 0 }, 1, REQUEST);
  await store.cancelTask("a");
  await store.finishTask("b", { status: "completed", result: {} });
  await fail(store, "c");
  await until(async () => (await redis.exists("{mcp}:task:short")) === 0);
  await store.deleteExpired();
  expect(await redis.zrange(WATCHED, "0", "-1")).toEqual([MARK, "c", "d"]);
  await store.operations.removeTasks({ status: "failed" });
  expect(await redis.zrange(WATCHED, "0", "-1")).toEqual([MARK, "d"]);
  // The id of a removed task, and one whose entry nothing has deleted yet.
  await make(store, "c");
  await store.createTask({ taskId: "short", ttl: 1, claimAfterMs: 0 }, 1, REQUEST);
  await until(async () => (await redis.exists("{mcp}:task:short")) === 0);
  await make(store, "short");
  expect(await found(store)).toEqual({ ids: ["c", "d", "short"], scanned: 3 });
});

test("a fill that a process abandoned goes on, and is right after all that happened between", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const store = openStore({ url });
  await make(store, "a", "b", "c", "d", "e", "f");
  // The state after a process was killed in its first step, which read two tasks.
  await redis
    .multi()
    .zadd(WATCHED, -2, MARK, 1, "a", 2, "b")
    .hset("{mcp}:task:a", "watched", "1")
    .hset("{mcp}:task:b", "watched", "1")
    .exec();
  await store.cancelTask("a");
  await fail(store, "b");
  await store.cancelTask("c");
  await fail(store, "d");
  await fail(store, "e");
  await store.operations.removeTasks({ idPrefix: "e" });
  await make(store, "g", "h");
  await store.cancelTask("h");
  expect(await redis.zrange(WATCHED, "0", "-1")).toEqual([MARK, "b", "g"]);
  expect(await found(store)).toEqual({ ids: ["b", "d", "f", "g"], scanned: 4 });
  expect(await redis.zrange(WATCHED, "0", "-1", "WITHSCORES")).toEqual([
    ...[MARK, "0", "b", "2", "d", "4", "f", "6", "g", "7"],
  ]);
  // What the fill added leaves the set as well.
  await store.cancelTask("f");
  expect(await redis.zrange(WATCHED, "0", "-1")).toEqual([MARK, "b", "d", "g"]);
});

test("a set that the database lost is filled again", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const store = openStore({ url });
  await make(store, "a", "b");
  await found(store);
  await redis.del(WATCHED);
  await make(store, "c");
  await store.cancelTask("a");
  expect(await redis.exists(WATCHED)).toBe(0);
  expect((await found(store)).ids).toEqual(["b", "c"]);
  await redis.flushall();
  await make(store, "d");
  expect(await redis.exists(WATCHED)).toBe(0);
  expect((await found(store)).ids).toEqual(["d"]);
});

test("a search takes several scripts, and none of them looks at many tasks", async () => {
  const { url } = await ownServer();
  const store = openStore({ url });
  await Promise.all(Array.from({ length: MANY }, (_, index) => make(store, `${index}`)));
  await store.createTask({ name: "bake" });
  const log = await MonitorLog.start(operator(url));
  for (const order of ["newest", "oldest"] as const) {
    const page = await store.operations.listRecords({ where: { name: "bake" }, order });
    expect([page.records.length, page.scanned, page.nextCursor]).toEqual([1, MANY + 1, undefined]);
  }
  expect(Math.max(...(await log.stop()).map((run) => hashesOf(run).size))).toBeLessThanOrEqual(200);
});

test("a script of a search ends early after large payloads", async () => {
  const { url } = await ownServer();
  const store = openStore({ url });
  const flour = "x".repeat(100_000);
  for (let index = 0; index < 8; index += 1) await store.createTask({ name: "bake", arguments: { flour, index } });
  const log = await MonitorLog.start(operator(url));
  const where = { payload: { arguments: { flour } } };
  const { records } = await store.operations.listRecords({ where, fields: ["request"], limit: 100 });
  expect(records.map(({ request }) => request.params?.["arguments"])).toEqual(
    Array.from({ length: 8 }, (_, index) => ({ flour, index: 7 - index })),
  );
  // Each task is read twice: to look into it, and to return it.
  expect(Math.max(...(await log.stop()).map((run) => hashesOf(run).size))).toBe(2);
});

test("a search drops entries of deleted tasks on its way", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const store = openStore({ url });
  await make(store, "a", "b", "c");
  await found(store);
  await redis.del("{mcp}:task:b");
  // A stale position, as of an older task of this id.
  await redis.zadd(WATCHED, 9, "c");
  for (const order of ["newest", "oldest"] as const) {
    const { records } = await store.operations.listRecords({ where: ACTIVE, order });
    expect(records.map(({ task }) => task.taskId)).toEqual(["a"]);
  }
  expect(await redis.zrange(WATCHED, "0", "-1")).toEqual([MARK, "a"]);
  expect((await found(store, {})).ids).toEqual(["a", "c"]);
  expect(await redis.zrange("{mcp}:tasks", "0", "-1")).toEqual(["a", "c"]);
});

test("few tasks of an owner are found without a look at the active tasks of others", async () => {
  const { url } = await ownServer();
  const store = openStore({ url });
  await make(store, "a", "b", "c", "d");
  await store.createTask({ taskId: "ada's" }, 1, REQUEST, "ada");
  expect(await found(store, { owner: "ada" })).toEqual({ ids: ["ada's"], scanned: 1 });
  expect(await found(store, { owner: "ada", status: "active" })).toEqual({ ids: ["ada's"], scanned: 1 });
});

test("removal leaves no trace of ended tasks, and does not touch active ones", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const store = openStore({ url });
  const message = { type: "notification", message: { jsonrpc: "2.0", method: "n" }, timestamp: 1 } as const;
  for (const taskId of ["ended", "active"]) {
    await store.createTask({ taskId, ttl: 60_000 }, 1, REQUEST, "ada");
    await store.messages.enqueue(taskId, message);
  }
  await store.cancelTask("ended", { owner: "ada" });
  await found(store);
  const backend = new RedisBackend({ url });
  onTestFinished(() => backend.close());
  expect(await backend.remove(["ended", "unknown", "active"])).toEqual(["ended"]);
  const keys = await redis.keys("*");
  expect(keys.filter((key) => key.endsWith(":ended"))).toEqual([]);
  for (const key of ["tasks", "owner:ada", "watched", "expiring", "claims:grind", "queues"])
    expect((await redis.zrange(`{mcp}:${key}`, "0", "-1")).join(), key).toMatch(/^(\0,)?active(\0|$)/);
  expect(await store.messages.dequeue("active")).toEqual(message);
});

test("a sweep leaves no trace of expired tasks, and does not touch others", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const store = openStore({ url, limits: { activeTasks: 10, activeTasksPerOwner: 10 } });
  const create = (taskId: string, ttl: number) => store.createTask({ taskId, ttl, claimAfterMs: 0 }, 1, REQUEST, "ada");
  // The sets for caps, searches and claims with limits are there before the task that expires.
  await create("first", 60_000);
  await found(store);
  const limits = { grind: { running: 1 } };
  expect(await store.claimTasks({ names: ["grind"], leaseMs: 60_000, limit: 1, concurrency: limits })).toHaveLength(1);
  await create("gone", 20);
  await create("kept", 60_000);
  await until(async () => (await store.getTask("gone", "ada")) === null);
  expect(await store.deleteExpired()).toBe(1);
  const sets: string[] = [];
  for (const key of await redis.keys("*")) {
    if ((await redis.type(key)) !== "zset") continue;
    const members = (await redis.zrange(key, "0", "-1")).join();
    expect(members, key).not.toContain("gone");
    if (members.includes("kept")) sets.push(key.slice("{mcp}:".length).split(":")[0] as string);
  }
  const everyOne = ["active", "active-of", "claims", "expiring", "owner", "queue", "tasks", "watched"];
  expect(sets.toSorted()).toEqual(everyOne);
});

test("a line of the history changes neither revision nor expiry, also of a task that has ended", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const store = openStore({ url });
  await store.createTask({ taskId: "a", ttl: 60_000 }, 1, REQUEST);
  await store.acquireLease("a");
  expect((await redis.hget("{mcp}:task:a", "state"))?.split(" ")[3]).toBe("1");
  await fail(store, "a");
  const fields = () => redis.hmget("{mcp}:task:a", "state", "task", "outcome");
  const [before, expiry] = [await fields(), await redis.pexpiretime("{mcp}:task:a")];
  // The clock must have gone on, so that another expiry would be a later one.
  await until(async () => (await redis.pttl("{mcp}:task:a")) < 59_995);
  await store.operations.rerunTask("a", { taskId: "again" });
  expect([await fields(), await redis.pexpiretime("{mcp}:task:a")]).toEqual([before, expiry]);
  const { history } = (await store.operations.getRecord("a")) ?? {};
  expect(history?.map(({ event }) => event)).toEqual(["taken", "rerun"]);
});

test("an import adds tasks to the sets that exist, and none to the others", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const first = openStore({ url });
  await make(first, "a", "b", "c");
  await fail(first, "b");
  await first.cancelTask("c");
  const exported: ExportedTask[] = [];
  for await (const task of first.operations.exportTasks()) exported.push(task);
  const bare = openStore({ url, keyPrefix: "bare" });
  await bare.operations.importTasks(exported);
  expect((await redis.keys("{bare}:*")).filter((key) => /active|watched|counted/.test(key))).toEqual([]);
  const full = openStore({ url, keyPrefix: "full", limits: { activeTasks: 2 } });
  await make(full, "before");
  await found(full);
  await full.operations.importTasks(exported);
  expect(await redis.zrange("{full}:watched", "0", "-1")).toEqual([MARK, "before", "a", "b"]);
  for (const key of ["active", "active-of", "claims:grind"])
    expect((await redis.zrange(`{full}:${key}`, "0", "-1")).toSorted(), key).toEqual(["a", "before"]);
  await expect(make(full, "d")).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  await full.cancelTask("a");
  expect(await redis.zrange("{full}:watched", "0", "-1")).toEqual([MARK, "before", "b"]);
});

test("leases that are taken together leave a line in the history of each task", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const store = openStore({ url });
  const ids = ["a", "b", "c"];
  await make(store, ...ids);
  await Promise.all(ids.map((taskId) => store.acquireLease(taskId, { holder: { worker: taskId } })));
  for (const taskId of ids) {
    const { holder, history } = (await store.operations.getRecord(taskId)) ?? {};
    expect([holder?.worker, history?.length]).toEqual([taskId, 1]);
    expect(await redis.hget(`{mcp}:task:${taskId}`, "history")).toMatch(/^\d{13} \{.*\}\n$/);
  }
});
