// Not portable: the store's own connections, and the application's client.

import { RedisTaskStore } from "@mcp-task-store/redis";
import { Cluster, Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { sharedServer } from "../../../tooling/databases/fixtures.ts";
import { openStore, operator, ownServer, REQUEST, until } from "./support/server.ts";

/** The addresses of a server's connections, except the asking one. */
async function connections(redis: Redis): Promise<string[]> {
  const own = await redis.client("ID");
  const lines = ((await redis.client("LIST")) as string).trim().split("\n");
  return lines.filter((line) => !line.startsWith(`id=${own} `)).map((line) => /addr=(\S+)/.exec(line)?.[1] ?? "");
}

describe("connections", () => {
  test("the first call connects, one connection runs commands, one listens, and close ends both", async () => {
    const { url } = await ownServer();
    const redis = operator(url);
    const store = openStore({ url });
    expect(await connections(redis)).toHaveLength(0);
    const { taskId } = await store.createTask({}, 1, REQUEST);
    await Promise.all(Array.from({ length: 20 }, () => store.getTask(taskId)));
    expect(await connections(redis)).toHaveLength(1);
    const waits = Array.from({ length: 20 }, () => store.waitForTask(taskId));
    await until(async () => (await connections(redis)).length === 2);
    await store.cancelTask(taskId);
    await Promise.all(waits);
    await store.close();
    await until(async () => (await connections(redis)).length === 0);
  });

  test("a wait sees a change made while both connections were down, and the next one", async () => {
    const { url } = await ownServer();
    const redis = operator(url);
    const [store, writer] = [openStore({ url }), openStore({ url })];
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
    // The driver repeats a read on a new connection, but not a write.
    await writer.getTask(taskId);
    await writer.storeTaskResult(taskId, "completed", {});
    expect((await waits[0])?.task.status).toBe("completed");
    await writer.cancelTask(other);
    expect((await waits[1])?.task.status).toBe("cancelled");
  });

  test("the store loads its scripts again when the server has lost them", async () => {
    const { url } = await ownServer();
    const redis = operator(url);
    const store = openStore({ url });
    const { taskId } = await store.createTask({}, 1, REQUEST);
    for (const call of [
      () => store.getTask(taskId),
      () => store.updateTaskStatus(taskId, "working", "half"),
      () => store.listTasks(),
      () => store.storeTaskResult(taskId, "completed", {}),
      () => store.createTask({}, 1, REQUEST),
    ]) {
      await redis.script("FLUSH");
      await call();
    }
    expect(await store.getTaskResult(taskId)).toEqual({});
  });

  test("a process with an open store exits when it has nothing more to do", async () => {
    const { url } = await ownServer();
    const { execFileSync } = await import("node:child_process");
    const program = `
      import { RedisTaskStore } from "@mcp-task-store/redis";
      const store = new RedisTaskStore({ url: process.argv[1] });
      const { taskId } = await store.createTask({}, 1, { method: "a" });
      await store.subscribe(() => undefined, { taskId });
      console.log((await store.getTask(taskId)).status);`;
    const args = ["--input-type=module", "-e", program, url];
    expect(execFileSync(process.execPath, args, { cwd: import.meta.dirname, encoding: "utf8", timeout: 60_000 })).toBe(
      "working\n",
    );
  });
});

describe("the application's client", () => {
  test("stays open and unused, and only its options are copied", async () => {
    const { url } = await ownServer();
    await operator(url).config("SET", "requirepass", "hunter2");
    const client = new Redis(url, { password: "hunter2", db: 3, keyPrefix: "app:", lazyConnect: true });
    onTestFinished(() => client.disconnect());
    const store = new RedisTaskStore({ client, keyPrefix: "tasks" });
    const { taskId } = await store.createTask({}, 1, REQUEST);
    expect(client.status).toBe("wait");
    await client.connect();
    expect(await client.exists(`{tasks}:task:${taskId}`)).toBe(1);
    const waiting = store.waitForTask(taskId);
    await store.cancelTask(taskId);
    await waiting;
    await store.close();
    expect(client.status).toBe("ready");
    expect(await client.ping()).toBe("PONG");
  });

  test("may be a cluster, which stays open too", async () => {
    const { url } = await sharedServer({ product: "Redis Cluster" });
    const client = new Cluster([url]);
    onTestFinished(() => client.disconnect());
    await client.ping();
    const store = new RedisTaskStore({ client, keyPrefix: `given-${process.pid}` });
    const { taskId } = await store.createTask({ ttl: 1 }, 1, REQUEST);
    expect(taskId).toBeTypeOf("string");
    await until(async () => (await store.deleteExpired()) > 0);
    await store.close();
    expect(client.status).toBe("ready");
    expect(await client.ping()).toBe("PONG");
  });

  test.each([
    [{}],
    [{ url: "redis://localhost", client: new Redis({ lazyConnect: true }) }],
    [{ url: "http://localhost" }],
    [{ client: {} as never }],
    [{ url: "redis://localhost", keyPrefix: "" }],
    [{ url: "redis://localhost", keyPrefix: "a{b}" }],
    [{ url: "redis://localhost", commandTimeoutMs: 0 }],
    [{ url: "redis://localhost", commandTimeoutMs: Number.NaN }],
  ])("is refused by the constructor if it or an option is invalid: case %#", (options) => {
    expect(() => new RedisTaskStore(options)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});
