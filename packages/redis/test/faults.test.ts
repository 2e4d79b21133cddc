// Not portable: the ways in which a Redis server fails.

import { inspect } from "node:util";
import type { TaskStoreError } from "@mcp-task-store/redis";
import { describe, expect, onTestFinished, test } from "vitest";
import { startOwnRedisCluster } from "../../../tooling/databases/index.ts";
import { clientOf } from "./support/clients.ts";
import { openStore, operator, ownServer, REQUEST, until } from "./support/server.ts";

const SECRET = "s3cr3t-payload";
const UNAVAILABLE = expect.objectContaining({ code: "BACKEND_UNAVAILABLE" });

/** The failing write carries this result, so a leak of it would show. */
const RESULT = { content: [{ type: "text", text: SECRET }] };

async function refusal(call: Promise<unknown>): Promise<TaskStoreError> {
  const error = (await call.then(
    () => expect.unreachable("the call succeeded"),
    (reason: unknown) => reason,
  )) as TaskStoreError;
  expect(error).toEqual(UNAVAILABLE);
  // The payload appears in no part that a log would show, not even in the cause.
  expect(inspect(error, { depth: 10, maxStringLength: null })).not.toContain(SECRET);
  return error;
}

describe("a server", () => {
  test("that is paused: calls time out, and work again when it resumes", async () => {
    const server = await ownServer();
    const store = openStore({ url: server.url, commandTimeoutMs: 2000 });
    const { taskId } = await store.createTask({}, 1, REQUEST);
    await server.control.pause();
    const write = await refusal(store.storeTaskResult(taskId, "completed", RESULT));
    expect(write).toMatchObject({ write: "unknown", message: /unknown/ });
    await refusal(store.getTask(taskId));
    await server.control.resume();
    await until(async () => (await store.getTask(taskId).catch(() => null)) !== null);
    // A read settles whether the write was applied.
    if ((await store.getTask(taskId))?.status === "working") await store.storeTaskResult(taskId, "completed", RESULT);
    expect(await store.getTaskResult(taskId)).toEqual(RESULT);
  });

  test("that is killed and restarted: no acknowledged write is lost, and waits go on", async () => {
    const server = await ownServer(["--appendfsync", "always"]);
    const store = openStore({ url: server.url, commandTimeoutMs: 2000 });
    const { taskId } = await store.createTask({}, 1, REQUEST);
    const waiting = store.waitForTask(taskId);
    await store.updateTaskStatus(taskId, "working", "half");
    // By now the waits have seen the present state too.
    await store.waitForTask(taskId, { until: "change", after: 1 });
    await server.control.halt("killed");
    const write = await refusal(store.storeTaskResult(taskId, "completed", RESULT));
    expect(write.message).toMatch(/nothing was changed|unknown/);
    await server.control.start();
    expect((await store.getTask(taskId))?.statusMessage).toBe("half");
    await store.storeTaskResult(taskId, "completed", RESULT);
    expect((await waiting).task.status).toBe("completed");
  });

  test("that cannot write to its disk refuses writes, answers reads, and recovers", async () => {
    const args = ["--appendonly", "no", "--save", "3600 1", "--enable-protected-configs", "yes"];
    const { url } = await ownServer(args);
    const redis = operator(url);
    const store = openStore({ url });
    const { taskId } = await store.createTask({}, 1, REQUEST);
    const [, folder] = (await redis.config("GET", "dir")) as [string, string];
    const saved = async (outcome: string) => {
      await redis.bgsave();
      await until(async () =>
        new RegExp(`bgsave_in_progress:0[^]*last_bgsave_status:${outcome}`).test(await redis.info()),
      );
    };
    // Not even root can create a file there.
    await redis.config("SET", "dir", "/proc");
    await saved("err");
    const error = await refusal(store.storeTaskResult(taskId, "completed", RESULT));
    expect(error.message).toContain("disk");
    await refusal(store.createTask({}, 1, REQUEST));
    expect((await store.listTasks()).tasks).toHaveLength(1);
    expect((await store.getTask(taskId))?.status).toBe("working");
    await redis.config("SET", "dir", folder);
    await saved("ok");
    await store.storeTaskResult(taskId, "completed", RESULT);
  });

  test("that is full refuses writes that need memory, and recovers", async () => {
    const { url } = await ownServer();
    const redis = operator(url);
    const store = openStore({ url });
    const { taskId } = await store.createTask({}, 1, REQUEST);
    await redis.config("SET", "maxmemory", "1mb");
    const full = await refusal(store.storeTaskResult(taskId, "completed", RESULT));
    expect(full).toMatchObject({ write: "not-applied", message: /maxmemory/ });
    expect((await store.getTask(taskId))?.status).toBe("working");
    await redis.config("SET", "maxmemory", "0");
    await store.storeTaskResult(taskId, "completed", RESULT);
  });

  test("that became a replica is left, and is used again as a primary", async () => {
    const { url } = await ownServer();
    const primary = await ownServer();
    const redis = operator(url);
    const store = openStore({ url, commandTimeoutMs: 2000 });
    const { taskId } = await store.createTask({}, 1, REQUEST);
    const { hostname, port } = new URL(primary.url);
    await redis.replicaof(hostname, port);
    const error = await refusal(store.storeTaskResult(taskId, "completed", RESULT));
    expect(error).toMatchObject({ write: "not-applied", message: expect.stringContaining("read-only replica") });
    await redis.replicaof("NO", "ONE");
    // It may have copied the empty primary meanwhile.
    await expect(store.createTask({}, 1, REQUEST)).resolves.toMatchObject({ status: "working" });
  });

  test("that wants another password is reported at once, without the password", async () => {
    const { url } = await ownServer();
    await operator(url).config("SET", "requirepass", "hunter2");
    for (const given of [url, url.replace("//", "//:hunter3@")]) {
      const error = await refusal(openStore({ url: given, commandTimeoutMs: 600_000 }).getTask("t"));
      expect(error.message).toContain("password");
      expect(inspect(error)).not.toMatch(/hunter[23]/);
    }
  });

  test("that may evict tasks is reported when the store opens", async () => {
    const { url } = await ownServer(["--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl"]);
    const errors: TaskStoreError[] = [];
    const store = openStore({ url, onError: (error) => errors.push(error) });
    await store.getTask("t");
    await store.getTask("t");
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining("maxmemory-policy is volatile-ttl")]);
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    await openStore({ url }).getTask("t");
    expect((await warned).message).toContain("volatile-ttl");
  });

  test("that denies its user commands or keys gives an error that says so", async () => {
    const { url } = await ownServer();
    const redis = operator(url);
    await redis.acl("SETUSER", "tasks", "on", ">pass", "~{mcp}:*", "&{mcp}:*", "+@all", "-@admin", "-@dangerous");
    const allowed = url.replace("//", "//tasks:pass@");
    const store = openStore({ url: allowed });
    const { taskId } = await store.createTask({}, 1, REQUEST);
    const waiting = store.waitForTask(taskId);
    await store.cancelTask(taskId);
    await waiting;
    const error = await refusal(openStore({ url: allowed, keyPrefix: "other" }).getTask("t"));
    expect(error.message).toContain("refused a command, key or channel");
  });
});

test("a write whose answer was lost is done once, and the driver never repeats it", async () => {
  const { url } = await ownServer();
  const redis = operator(url);
  const store = openStore({ url });
  const { taskId } = await store.createTask({}, 1, REQUEST);
  let [acknowledged, unknown] = [0, 0];
  for (let round = 0; round < 30; round += 1) {
    const settled = Promise.allSettled(
      Array.from({ length: 8 }, () => store.updateTaskStatus(taskId, "working", `${round}`)),
    );
    if (round % 3 === 0) await redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    for (const { status } of await settled) {
      if (status === "fulfilled") acknowledged += 1;
      else unknown += 1;
    }
  }
  // Each write raises the revision by one.
  const { revision } = (await store.getRecord(taskId)) ?? { revision: 0 };
  expect(revision - 1).toBeGreaterThanOrEqual(acknowledged);
  expect(revision - 1).toBeLessThanOrEqual(acknowledged + unknown);
});

test("a node of a cluster that does not have the store's keys says so, and writes nothing", async () => {
  const cluster = await startOwnRedisCluster();
  onTestFinished(() => cluster.stop());
  const errors: TaskStoreError[] = [];
  for (const { url } of cluster.nodes)
    await openStore({ url })
      .createTask({}, 1, REQUEST)
      .catch((error: TaskStoreError) => errors.push(error));
  expect(errors).toHaveLength(2);
  for (const error of errors)
    expect(error).toMatchObject({
      code: "BACKEND_UNAVAILABLE",
      write: "not-applied",
      message: /a client for clusters/,
    });
});

test("waits continue on the replica that takes over for a cluster's dead primary", async () => {
  const cluster = await startOwnRedisCluster({ replicas: 1 });
  onTestFinished(() => cluster.stop());
  const client = await clientOf("ioredis", { kind: "Redis Cluster", url: cluster.url });
  const [store, writer] = [1, 2].map(() => openStore({ client, commandTimeoutMs: 3000, onError: () => undefined }));
  if (!store || !writer) return;
  const { taskId } = await writer.createTask({}, 1, REQUEST);
  const first = store.waitForTask(taskId, { until: "change", after: 1 });
  await writer.updateTaskStatus(taskId, "working", "one");
  await first;
  const waiting = store.waitForTask(taskId);

  const looking = operator(cluster.url);
  await until(async () => /cluster_state:ok/.test((await looking.cluster("INFO")) as string));
  const slot = await looking.cluster("KEYSLOT", "{mcp}");
  const ranges = (await looking.cluster("SLOTS")) as unknown as [number, number, [string, number], [string, number]?][];
  const [, , primary] = ranges.find(([from, to]) => from <= slot && slot <= to) ?? [];
  const node = cluster.nodes.find(({ url }) => Number(new URL(url).port) === primary?.[1]);
  // Replication is asynchronous, so wait until the replica has it.
  const watching = operator(node?.url ?? "");
  await until(async () => (await watching.wait(1, 1000)) === 1);
  await node?.control.halt("killed");
  // The first call may have been sent before the connection ended. Others have no node to go to.
  await writer.updateTaskStatus(taskId, "working", "two").catch(() => undefined);
  await writer.updateTaskStatus(taskId, "working", "three").catch((error: unknown) => {
    expect(error).toMatchObject({ write: "not-applied" });
  });

  await until(() =>
    writer.storeTaskResult(taskId, "completed", RESULT).then(
      () => true,
      (error) => error.code === "TASK_TERMINAL",
    ),
  );
  expect((await waiting).task.status).toBe("completed");
  expect(await store.getTaskResult(taskId)).toEqual(RESULT);
}, 180_000);
