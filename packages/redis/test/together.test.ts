import type { RedisTaskStore } from "@mcp-task-store/redis";
import type { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { useKeys } from "../../../tooling/databases/fixtures.ts";
import { TcpProxy } from "../../../tooling/databases/proxy.ts";
import { expectOnlyRefusedCallsToFail } from "../../../tooling/test/fixtures/refused-calls.ts";
import { openStore, operator, ownServer, REQUEST, until } from "./support/server.ts";

const keys = useKeys();

const create = (store: RedisTaskStore, taskId: string) => store.createTask({ taskId }, 1, REQUEST);
/** Resolves to the task's new status message. */
const say = async (store: RedisTaskStore, taskId: string, statusMessage: string, checkpoint?: string) =>
  (await store.updateTask(taskId, { statusMessage, ...(checkpoint ? { checkpoint } : {}) })).task.statusMessage;

/** The number of scripts that a server has run. */
async function scriptsOf(redis: Redis): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.info("commandstats"))?.[1] ?? 0);
}

/** A store with tasks `a` to `d`, whose server has loaded every script. */
async function warmStore(url: string, commandTimeoutMs = 5000): Promise<RedisTaskStore> {
  const store = openStore({ url, commandTimeoutMs });
  await create(store, "a");
  await Promise.all(["b", "c", "d"].map((taskId) => create(store, taskId)));
  await say(store, "a", "warm");
  await store.getTask("a");
  return store;
}

test("one refused call fails no other call made with it", async () => {
  const store = openStore({ url: keys.url, keyPrefix: keys.prefix });
  for (const taskId of ["a", "b"]) await store.createTask({ taskId }, 1, REQUEST);
  const redis = operator(keys.url);
  const [task] = await redis.keys(`*${keys.prefix}*task:b`);
  // The keys have the wrong type, so the server refuses the scripts' commands on them.
  for (const key of [String(task), String(task).replace(/task:b$/, "messages:b")]) await redis.set(key, "refused");
  await expectOnlyRefusedCallsToFail(store);
});

test("calls of one turn share a script, and a refused one fails no other", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const store = await warmStore(url);
  await store.cancelTask("b");
  const before = await scriptsOf(redis);
  const settled = await Promise.allSettled([
    say(store, "a", "one"),
    say(store, "b", "too late"),
    create(store, "a"),
    store.getTask("c"),
    create(store, "e"),
    say(store, "missing", "nowhere"),
    store.finishTask("c", { status: "completed", result: {} }),
    store.getTask("d"),
  ]);
  // The first call left at once, as nothing was under way, and the others in two batches.
  expect((await scriptsOf(redis)) - before).toBe(3);
  expect(settled.map((each) => (each.status === "rejected" ? each.reason.code : "done"))).toEqual([
    "done",
    "TASK_TERMINAL",
    "TASK_EXISTS",
    "done",
    "done",
    "TASK_NOT_FOUND",
    "done",
    "done",
  ]);
  expect((await store.getTask("a"))?.statusMessage).toBe("one");
  expect((await store.getTask("e"))?.status).toBe("working");
});

describe("un-awaited calls keep their order:", () => {
  test.each([2, 33, 100])("%d creations, before the server has loaded the batch script", async (count) => {
    const { url } = await ownServer();
    const store = openStore({ url, pageSize: 200 });
    await create(store, "first");
    const ids = Array.from({ length: count }, (_, index) => `${index}`);
    await Promise.all(ids.map((taskId) => create(store, taskId)));
    const { tasks } = await store.listTasks();
    expect(tasks.map(({ taskId }) => taskId)).toEqual(["first", ...ids]);
  });

  test("creations under a cap, among tasks made without one, and a cancel", async () => {
    const { url } = await ownServer();
    const free = openStore({ url });
    await Promise.all(Array.from({ length: 700 }, () => free.createTask({}, 1, REQUEST)));
    const store = openStore({ url, pageSize: 1000, limits: { activeTasks: 1000 } });
    const ids = Array.from({ length: 40 }, (_, index) => `${index}`);
    const created = Promise.all(ids.map((taskId) => create(store, taskId)));
    const cancelled = store.cancelTask("39");
    await created;
    expect((await cancelled).task.status).toBe("cancelled");
    const { tasks } = await store.listTasks();
    expect(tasks.slice(700).map(({ taskId }) => taskId)).toEqual(ids);
  });

  test("a read that the server postpones, and a change of its task", async () => {
    const { url } = await ownServer();
    const store = await warmStore(url);
    await store.finishTask("a", { status: "completed", result: { large: "x".repeat(100_000) } });
    const [, , before, , after] = await Promise.all([
      store.getTask("d"),
      store.getTaskResult("a"),
      store.getTask("b"),
      store.cancelTask("b"),
      store.getTask("b"),
      store.getTask("c"),
      store.getTask("c"),
      store.getTask("c"),
      store.getTask("c"),
    ]);
    expect([before?.status, after?.status]).toEqual(["working", "cancelled"]);
  });

  test("a creation and changes of its task, one of them large", async () => {
    const { url } = await ownServer();
    const store = await warmStore(url);
    const message = async () => (await store.getTask("e"))?.statusMessage;
    const answers = await Promise.all([
      create(store, "e").then(({ statusMessage }) => statusMessage),
      say(store, "e", "one"),
      message(),
      say(store, "e", "two", "x".repeat(100_000)),
      message(),
      say(store, "e", "three"),
      message(),
    ]);
    expect(answers).toEqual([undefined, "one", "one", "two", "two", "three", "three"]);
  });
});

test.each(["lose an answer", "cut a command"] as const)(
  "a batch cut off in transit (%s): writes are unknown and done at most once, reads succeed",
  async (harm) => {
    const { url } = await ownServer();
    const proxy = await TcpProxy.start(url);
    onTestFinished(() => proxy.begin());
    const store = await warmStore(proxy.url);
    proxy.harmNext(harm);
    const settled = await Promise.allSettled(
      ["a", "b", "c", "d"].flatMap((taskId): Promise<unknown>[] => [say(store, taskId, "cut"), store.getTask(taskId)]),
    );
    expect(proxy.harmed).toBe(1);
    for (const [index, each] of settled.entries()) {
      if (index % 2 === 1) expect(each).toMatchObject({ status: "fulfilled", value: { status: "working" } });
      else expect(each).toMatchObject({ reason: { code: "BACKEND_UNAVAILABLE", write: "unknown" } });
    }
    const revisions = await Promise.all(
      ["b", "c", "d"].map(async (taskId) => (await store.getRecord(taskId))?.revision),
    );
    // The first script ran before its answer was lost. The second may have run or not.
    if (harm === "lose an answer") expect(revisions[0]).toBe(2);
    for (const revision of revisions) expect(revision).toBeLessThanOrEqual(2);
  },
);

test("writes that a replica refused go through on the new primary, and reads do not wait", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const store = await warmStore(url, 20_000);
  // Nothing listens there, so the replica keeps its data.
  await redis.replicaof("127.0.0.1", 1);
  const writes = ["a", "b", "c"].map((taskId) => say(store, taskId, "late"));
  expect((await store.getTask("d"))?.status).toBe("working");
  await until(async () => /errorstat_READONLY/.test(await redis.info("errorstats")));
  await redis.replicaof("NO", "ONE");
  expect(await Promise.all(writes)).toEqual(["late", "late", "late"]);
});

test("a batch that is refused as a whole is retried call by call", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  await redis.acl("SETUSER", "tasks", "on", ">pass", "~*", "&*", "+@all");
  const store = await warmStore(url.replace("//", "//tasks:pass@"));
  // Reads of a task alone need no script.
  await redis.acl("SETUSER", "tasks", "-evalsha");
  const [read, write, other] = await Promise.allSettled([
    store.getTask("b"),
    say(store, "b", "no"),
    store.getTask("c"),
  ]);
  expect([read?.status, other?.status]).toEqual(["fulfilled", "fulfilled"]);
  expect(write).toMatchObject({ reason: { code: "BACKEND_UNAVAILABLE", write: "not-applied" } });
});

test("large results read together all arrive", async () => {
  const { url } = await ownServer();
  const store = await warmStore(url);
  const ids = ["a", "b", "c", "d"];
  const resultOf = (taskId: string) => ({ content: [{ type: "text", text: taskId.repeat(50_000) }] });
  for (const taskId of ids) await store.storeTaskResult(taskId, "completed", resultOf(taskId));
  const twice = [...ids, ...ids];
  expect(await Promise.all(twice.map((taskId) => store.getTaskResult(taskId)))).toEqual(twice.map(resultOf));
});

test("close sends every call made before it", async () => {
  const { url } = await ownServer();
  const store = await warmStore(url);
  const calls = Promise.all(["a", "b", "c"].map((taskId) => say(store, taskId, "last")));
  const [, messages] = await Promise.all([store.close(), calls]);
  expect(messages).toEqual(["last", "last", "last"]);
});
