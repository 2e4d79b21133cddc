// Not portable: the clients other than ioredis, which stay unused, and a store without ioredis.

import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TaskRecord } from "@mcp-task-store/redis";
import { createClient } from "redis";
import { describe, expect, onTestFinished, test } from "vitest";
import { useKeys } from "../../../tooling/databases/fixtures.ts";
import { TcpProxy } from "../../../tooling/databases/proxy.ts";
import { run } from "../../../tooling/packages.ts";
import { CLIENTS, clientOf } from "./support/clients.ts";
import { place } from "./support/harness.ts";
import { openStore, operator, ownServer, REQUEST, until } from "./support/server.ts";

const keys = useKeys();

describe.each(CLIENTS)("%s", (client) => {
  const storeAt = async (url: string, commandTimeoutMs = 5000) =>
    openStore({ client: await clientOf(client, { kind: "Redis", url }), commandTimeoutMs, pageSize: 100 });

  test("a write whose answer is lost is unknown and done at most once, and a read is repeated", async () => {
    const { url } = await ownServer();
    const proxy = await TcpProxy.start(url);
    onTestFinished(() => proxy.begin());
    const store = await storeAt(proxy.url);
    const { taskId } = await store.createTask({}, 1, REQUEST);
    await store.updateTaskStatus(taskId, "working", "one");
    const { revision = 0 } = (await store.getRecord(taskId)) ?? {};
    proxy.harmNext("lose an answer");
    await expect(store.updateTaskStatus(taskId, "working", "two")).rejects.toMatchObject({ write: "unknown" });
    expect((await store.getRecord(taskId))?.revision).toBe(revision + 1);
    proxy.harmNext("lose an answer");
    expect(await store.getTask(taskId)).toMatchObject({ statusMessage: "two" });
    expect(proxy.harmed).toBe(2);
  });

  test("calls of one turn share a script, and keep their order", async () => {
    const { url } = await ownServer();
    const store = await storeAt(url);
    const ids = Array.from({ length: 40 }, (_, index) => `${index}`);
    await Promise.all(ids.map((taskId) => store.createTask({ taskId }, 1, REQUEST)));
    const { tasks } = await store.listTasks();
    expect(tasks.map(({ taskId }) => taskId)).toEqual(ids);
    const scripts = /cmdstat_evalsha:calls=(\d+)/.exec(await operator(url).info("commandstats"))?.[1];
    expect(Number(scripts)).toBeLessThan(20);
  });

  test("a paused server's connection is left, and the store works again", async () => {
    const server = await ownServer();
    const store = await storeAt(server.url, 1000);
    const { taskId } = await store.createTask({}, 1, REQUEST);
    await server.control.pause();
    await expect(store.cancelTask(taskId)).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE", write: "unknown" });
    await expect(store.getTask(taskId)).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
    await server.control.resume();
    await until(async () => (await store.getTask(taskId).catch(() => null)) !== null);
  });

  test("a wait sees a change made while both connections were down, and the next one", async () => {
    const { url } = await ownServer();
    const redis = operator(url);
    const [store, writer] = [await storeAt(url), await storeAt(url)];
    const { taskId } = await writer.createTask({}, 1, REQUEST);
    const other = (await writer.createTask({}, 1, REQUEST)).taskId;
    const waits = [store.waitForTask(taskId), store.waitForTask(other)];
    await until(async () => ((await redis.pubsub("SHARDNUMSUB", "{mcp}:changes"))[1] as number) === 1);
    // In one step, so the change falls in a moment without a subscription.
    await redis
      .multi()
      .call("CLIENT", "KILL", "TYPE", "pubsub")
      .call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
      .exec();
    await writer.getTask(taskId);
    await writer.storeTaskResult(taskId, "completed", {});
    expect((await waits[0])?.task.status).toBe("completed");
    await writer.cancelTask(other);
    expect((await waits[1])?.task.status).toBe("cancelled");
  });

  test.each<[why: string, account: string, says: RegExp]>([
    ["the password is wrong", "default:wrong", /refused the user name or password/],
    ["a command is forbidden", "reader:right", /refused a command/],
  ])("no connection is left when %s", async (_, account, says) => {
    const { url } = await ownServer();
    const redis = operator(url);
    await redis.acl("SETUSER", "reader", "on", ">right", "~*", "&*", "+@connection", "+info");
    await redis.config("SET", "requirepass", "secret");
    const store = await storeAt(url.replace("redis://", `redis://${account}@`));
    for (const _attempt of [1, 2]) await expect(store.createTask({}, 1, REQUEST)).rejects.toThrow(says);
    await until(async () => (await redis.info("clients")).includes("connected_clients:1\r\n"));
  });

  test("one refused call fails no other call made with it", async () => {
    const { url } = await ownServer();
    const store = await storeAt(url);
    for (const taskId of ["a", "b", "c"]) await store.createTask({ taskId }, 1, REQUEST);
    await operator(url).set("{mcp}:task:b", "refused");
    const settled = await Promise.allSettled(["a", "b", "c"].map((taskId) => store.cancelTask(taskId)));
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });
});

describe.each(["ioredis", "node-redis-5", "node-redis-6", "valkey-glide"] as const)("a cluster by %s", (name) => {
  test("a write whose answer is lost is unknown and done at most once", async () => {
    const { address, client, proxies, destroy } = await place("Redis Cluster", name);
    onTestFinished(destroy);
    const store = openStore({ client, keyPrefix: address.keyPrefix });
    const { taskId } = await store.createTask({}, 1, REQUEST);
    await store.updateTaskStatus(taskId, "working", "one");
    const { revision = 0 } = (await store.getRecord(taskId)) ?? {};
    for (const proxy of proxies) proxy.harmNext("lose an answer");
    await expect(store.updateTaskStatus(taskId, "working", "two")).rejects.toMatchObject({ write: "unknown" });
    for (const proxy of proxies) proxy.harmNext(undefined);
    // node-redis 5 may need several calls until it has found its nodes again.
    let record: TaskRecord | null = null;
    await until(async () => {
      record = await store.getRecord(taskId).catch(() => null);
      return record !== null;
    });
    expect(record).toMatchObject({ revision: revision + 1, task: { statusMessage: "two" } });
  });

  test("un-awaited calls keep their order", async () => {
    const { address, client, destroy } = await place("Redis Cluster", name);
    onTestFinished(destroy);
    const store = openStore({ client, keyPrefix: address.keyPrefix, pageSize: 200 });
    const ids = Array.from({ length: 100 }, (_, index) => `${index}`);
    await Promise.all(ids.map((taskId) => store.createTask({ taskId }, 1, REQUEST)));
    const { tasks } = await store.listTasks();
    expect(tasks.map(({ taskId }) => taskId)).toEqual(ids);
  });
});

test("a client of node-redis stays open and unused, and only its options are copied", async () => {
  const { url } = await ownServer();
  await operator(url).config("SET", "requirepass", "hunter2");
  // A store that took over these options as they are would get no strings and no answers.
  const client = createClient({
    url,
    password: "hunter2",
    database: 3,
    keyPrefix: "app:",
    disableOfflineQueue: true,
    commandOptions: { typeMapping: { 36: Buffer } },
  });
  onTestFinished(() => client.destroy());
  const store = openStore({ client, keyPrefix: "tasks" });
  const { taskId } = await store.createTask({}, 1, REQUEST);
  expect(client.isOpen).toBe(false);
  await client.connect();
  expect(await client.exists(`{tasks}:task:${taskId}`)).toBe(1);
  const waiting = store.waitForTask(taskId);
  await store.cancelTask(taskId);
  await waiting;
  await store.close();
  expect(client.isReady).toBe(true);
});

test("a store without ioredis says what to install for a url, and takes other clients", async () => {
  const folder = await mkdtemp(join(tmpdir(), "no-ioredis-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const name of ["core", "redis"])
    for (const part of ["dist", "package.json"])
      await cp(
        join(import.meta.dirname, "../..", name, part),
        join(folder, "node_modules/@mcp-task-store", name, part),
        {
          recursive: true,
        },
      );
  const program = `
    import { RedisTaskStore } from "@mcp-task-store/redis";
    try {
      new RedisTaskStore({ url: "redis://127.0.0.1:1" });
    } catch ({ code, message }) {
      console.log(code, message);
    }`;
  // pnpm's scripts set NODE_PATH, by which `require` finds every package of the workspace.
  const env = { ...process.env, NODE_PATH: "" };
  const said = await run(process.execPath, ["--input-type=module", "-e", program], { cwd: folder, env });
  expect(said).toMatch(/^INVALID_ARGUMENT .*npm install ioredis/);
});

test("stores by different clients share their tasks and hear of each other's changes", async () => {
  const clients = await Promise.all(CLIENTS.map((name) => clientOf(name, { kind: "Redis", url: keys.url })));
  const stores = clients.map((client) => openStore({ client, keyPrefix: keys.prefix }));
  for (const [index, writer] of stores.entries()) {
    const { taskId } = await writer.createTask({}, 1, REQUEST);
    const waits = stores.map((store) => store.waitForTask(taskId));
    await stores[(index + 1) % stores.length]?.cancelTask(taskId);
    for (const wait of waits) expect((await wait)?.task.status).toBe("cancelled");
  }
});
