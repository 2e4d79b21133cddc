// Not portable: the ways in which a Redis server fails.

import { inspect } from "node:util";
import type { TaskStoreError } from "@mcp-task-store/redis";
import { describe, expect, onTestFinished, test } from "vitest";
import { startOwnRedisCluster } from "../../../tooling/databases/index.ts";
import { clusterOf } from "./support/remote.ts";
import { openStore, operator, ownServer, REQUEST, until } from "./support/server.ts";

const SECRET = "s3cr3t-payload";
const UNAVAILABLE = expect.objectContaining({ code: "BACKEND_UNAVAILABLE" });

/** A result that the failing write carries, so that it could be told. */
const RESULT = { content: [{ type: "text", text: SECRET }] };

async function refusal(call: Promise<unknown>): Promise<TaskStoreError> {
  const error = (await call.then(
    () => expect.unreachable("the call succeeded"),
    (reason: unknown) => reason,
  )) as TaskStoreError;
  expect(error).toEqual(UNAVAILABLE);
  // Nothing that a log would show of it, its cause included, has the payload.
  expect(inspect(error, { depth: 10, maxStringLength: null })).not.toContain(SECRET);
  return error;
}

describe("a server that", () => {
  test("is paused: calls are given up, and work again when it goes on", async () => {
    const server = await ownServer();
    const store = openStore({ url: server.url, commandTimeoutMs: 2000 });
    const { taskId } = await store.createTask({}, 1, REQUEST);
    await server.control.pause();
    const write = await refusal(store.storeTaskResult(taskId, "completed", RESULT));
    expect(write).toMatchObject({ outcome: "unknown", message: /unknown/ });
    await refusal(store.getTask(taskId));
    await server.control.resume();
    await until(async () => (await store.getTask(taskId).catch(() => null)) !== null);
    // Reading settles what became of the write.
    if ((await store.getTask(taskId))?.status === "working") await store.storeTaskResult(taskId, "completed", RESULT);
    expect(await store.getTaskResult(taskId)).toEqual(RESULT);
  });

  test("is killed and started again: nothing acknowledged is lost, and waits go on", async () => {
    const server = await ownServer(["--appendfsync", "always"]);
    const store = openStore({ url: server.url, commandTimeoutMs: 2000 });
    const { taskId } = await store.createTask({}, 1, REQUEST);
    const waiting = store.waitForTask(taskId);
    await store.updateTaskStatus(taskId, "working", "half");
    // Whoever waits has been told of the present state as well by then.
    await store.waitForTask(taskId, { until: "change", after: 1 });
    await server.control.halt("killed");
    const write = await refusal(store.storeTaskResult(taskId, "completed", RESULT));
    expect(write.message).toMatch(/nothing was changed|unknown/);
    await server.control.start();
    expect((await store.getTask(taskId))?.statusMessage).toBe("half");
    await store.storeTaskResult(taskId, "completed", RESULT);
    expect((await waiting).task.status).toBe("completed");
  });

  test("cannot write to its disk refuses writes, answers reads, and works again when it can", async () => {
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
    // Nobody can make a file there, not even root.
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

  test("is full refuses what needs memory, and takes it when there is room", async () => {
    const { url } = await ownServer();
    const redis = operator(url);
    const store = openStore({ url });
    const { taskId } = await store.createTask({}, 1, REQUEST);
    await redis.config("SET", "maxmemory", "1mb");
    const full = await refusal(store.storeTaskResult(taskId, "completed", RESULT));
    expect(full).toMatchObject({ outcome: "not-applied", message: /maxmemory/ });
    expect((await store.getTask(taskId))?.status).toBe("working");
    await redis.config("SET", "maxmemory", "0");
    await store.storeTaskResult(taskId, "completed", RESULT);
  });

  test("became a replica is left, and used again when it is a primary", async () => {
    const { url } = await ownServer();
    const primary = await ownServer();
    const redis = operator(url);
    const store = openStore({ url, commandTimeoutMs: 2000 });
    const { taskId } = await store.createTask({}, 1, REQUEST);
    const { hostname, port } = new URL(primary.url);
    await redis.replicaof(hostname, port);
    await refusal(store.storeTaskResult(taskId, "completed", RESULT));
    await redis.replicaof("NO", "ONE");
    // It may have copied the empty primary meanwhile.
    await expect(store.createTask({}, 1, REQUEST)).resolves.toMatchObject({ status: "working" });
  });

  test("wants another password is told of without it, and without waiting", async () => {
    const { url } = await ownServer();
    await operator(url).config("SET", "requirepass", "hunter2");
    for (const given of [url, url.replace("//", "//:hunter3@")]) {
      const error = await refusal(openStore({ url: given, commandTimeoutMs: 600_000 }).getTask("t"));
      expect(error.message).toContain("password");
      expect(inspect(error)).not.toMatch(/hunter[23]/);
    }
  });

  test("may evict tasks is reported once it is opened", async () => {
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

  test("refuses commands or keys to its user says so", async () => {
    const { url } = await ownServer();
    const redis = operator(url);
    await redis.acl("SETUSER", "tasks", "on", ">pass", "~{mcp}:*", "&{mcp}:*", "+@all", "-@admin", "-@dangerous");
    const allowed = url.replace("//", "//tasks:pass@");
    const store = openStore({ url: allowed });
    const { taskId } = await store.createTask({}, 1, REQUEST);
    const waiting = store.waitForTask(taskId);
    await store.cancelTask(taskId);
    await waiting;
    const error = await refusal(openStore({ url: allowed, prefix: "other" }).getTask("t"));
    expect(error.message).toContain("refused a command, key or channel");
  });
});

test("answers that were lost: a write is done once, and never repeated by the driver", async () => {
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
  // Each write adds one to the revision.
  const { revision } = (await store.getRecord(taskId)) ?? { revision: 0 };
  expect(revision - 1).toBeGreaterThanOrEqual(acknowledged);
  expect(revision - 1).toBeLessThanOrEqual(acknowledged + unknown);
});

test("a cluster's primary dies: its replica takes over, with the waits", async () => {
  const cluster = await startOwnRedisCluster({ replicas: 1 });
  onTestFinished(() => cluster.stop());
  const client = clusterOf({ kind: "Redis Cluster", url: cluster.url, prefix: "" });
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
  // Replication is asynchronous, so this makes sure that the replica has it.
  const watching = operator(node?.url ?? "");
  await until(async () => (await watching.wait(1, 1000)) === 1);
  await node?.control.halt("killed");

  await until(() =>
    writer.storeTaskResult(taskId, "completed", RESULT).then(
      () => true,
      (error) => error.code === "TASK_TERMINAL",
    ),
  );
  expect((await waiting).task.status).toBe("completed");
  expect(await store.getTaskResult(taskId)).toEqual(RESULT);
}, 180_000);
