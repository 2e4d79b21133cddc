import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Cluster, Redis } from "ioredis";
import { Client } from "pg";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { createDatabase, createKeys, sharedServer, useDatabase, useKeys } from "../databases/fixtures.ts";
import { startOwnPostgres, startOwnRedis, startPostgres, startRedis, startRedisCluster } from "../databases/index.ts";
import { run } from "../packages.ts";

// The first run may download an image.
vi.setConfig({ testTimeout: 300_000 });

const database = useDatabase();
const redisKeys = useKeys();
const clusterKeys = useKeys("Redis Cluster");

beforeEach(() => {
  // These tests set the variables themselves, so the run's own must not count.
  for (const name of ["TEST_POSTGRES_URL", "TEST_REDIS_URL", "TEST_REDIS_CLUSTER_URL"]) vi.stubEnv(name, undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

test("the shared Postgres answers", async () => {
  expect(await query(database.url, "SELECT 6 * 7 AS answer")).toEqual([{ answer: 42 }]);
});

test("each test file has its own database until it drops it", async () => {
  const { url } = await sharedServer({ product: "PostgreSQL" });
  const [one, another] = [await createDatabase(url), await createDatabase(url)];
  await query(one.url, "CREATE TABLE only_here ()");
  await query(another.url, "CREATE TABLE only_here ()");
  await Promise.all([one.drop(), another.drop()]);
  await expect(query(one.url, "SELECT 1")).rejects.toThrow("does not exist");
});

test("the shared Redis answers", async () => {
  const redis = new Redis(redisKeys.url);
  onTestFinished(() => redis.disconnect());
  expect(await redis.ping()).toBe("PONG");
});

test("the shared Redis Cluster has three masters that cover all slots", async () => {
  const cluster = new Cluster([clusterKeys.url]);
  onTestFinished(() => cluster.disconnect());
  const keys = Array.from({ length: 100 }, (_, index) => `${clusterKeys.prefix}${index}`);
  await Promise.all(keys.map((key) => cluster.set(key, key)));
  expect(await Promise.all(keys.map((key) => cluster.get(key)))).toEqual(keys);
  expect(cluster.nodes("master")).toHaveLength(3);
});

test.for(["Redis", "Redis Cluster"] as const)("dropping keys of a %s leaves the keys of others", async (kind) => {
  const { url } = kind === "Redis" ? redisKeys : clusterKeys;
  const [mine, theirs] = [createKeys(url, kind), createKeys(url, kind)];
  const client = kind === "Redis" ? new Redis(url) : new Cluster([url]);
  onTestFinished(() => client.disconnect());
  for (const { prefix } of [mine, theirs]) {
    for (const name of ["a", "b", "c"]) await client.set(prefix + name, name);
  }
  await mine.drop();
  expect(await client.get(`${mine.prefix}a`)).toBeNull();
  expect(await client.get(`${theirs.prefix}c`)).toBe("c");
  await theirs.drop();
});

test("a test can request a version", async () => {
  const server = await startOwnPostgres({ version: 18, durability: "fast" });
  onTestFinished(() => server.stop());
  expect(await query(server.url, "SHOW server_version_num")).toEqual([
    { server_version_num: expect.stringMatching(/^18\d{4}$/) },
  ]);
  expect(server.way).toContain("fsync off");
});

test("commits survive a kill of Postgres", async () => {
  const server = await startOwnPostgres();
  onTestFinished(() => server.stop());
  await query(server.url, "CREATE TABLE kept AS SELECT 1 AS value");
  await server.control.halt("killed");
  await expect(answers(server.url)).resolves.toBe(false);
  await server.control.start();
  expect(await query(server.url, "SELECT value FROM kept")).toEqual([{ value: 1 }]);
});

test("Redis keeps its data and its address over an orderly halt", async () => {
  const server = await startOwnRedis();
  onTestFinished(() => server.stop());
  const redis = new Redis(server.url);
  redis.on("error", () => {});
  onTestFinished(() => redis.disconnect());
  await redis.set("kept", "1");
  await server.control.halt("orderly");
  await server.control.start();
  expect(await redis.get("kept")).toBe("1");
});

test("a paused server answers only once resumed", async () => {
  const server = await startOwnRedis();
  onTestFinished(() => server.stop());
  const redis = new Redis(server.url);
  onTestFinished(() => redis.disconnect());
  await redis.ping();
  await server.control.pause();
  let resumed = false;
  const answer = redis.ping().then(() => resumed);
  // A server that is not paused answers before these calls do.
  const other = new Redis(redisKeys.url);
  onTestFinished(() => other.disconnect());
  for (let round = 0; round < 100; round++) await other.ping();
  resumed = true;
  await server.control.resume();
  expect(await answer).toBe(true);
});

test("stop() ends a server of any kind", async () => {
  const servers = await Promise.all([startOwnPostgres({ durability: "fast" }), startOwnRedis(), startRedisCluster()]);
  await Promise.all(servers.map((server) => server.stop()));
  for (const { url } of servers) expect(await answers(url)).toBe(false);
});

test("servers run from local binaries leave no process after stop()", async () => {
  vi.stubEnv("TEST_DATABASES_DOCKER", "off");
  const server = await startOwnPostgres({ durability: "fast" });
  expect(server.way).toMatch(/^server binaries/);
  const { port } = new URL(server.url);
  expect(await processesNaming(`port=${port}`)).not.toEqual([]);
  await server.stop();
  expect(await processesNaming(`port=${port}`)).toEqual([]);
});

test("a killed test run leaves no server", async () => {
  const program = fileURLToPath(new URL("databases/killed-run.ts", import.meta.url));
  const child = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] });
  const [url] = await once(createInterface(child.stdout), "line");
  expect(await answers(url)).toBe(true);
  child.kill("SIGKILL");
  while (await answers(url)) await sleep(20);
});

test("a URL wins over every other way, and stop() leaves its server running", async () => {
  const server = await startOwnRedis();
  onTestFinished(() => server.stop());
  vi.stubEnv("TEST_REDIS_URL", server.url);
  const given = await startRedis();
  expect(given).toMatchObject({ url: server.url, way: "TEST_REDIS_URL", version: server.version });
  await given.stop();
  expect(await answers(server.url)).toBe(true);
});

test("a URL whose server does not answer fails without a fallback", async () => {
  vi.stubEnv("TEST_POSTGRES_URL", "postgres://127.0.0.1:1/nowhere");
  await expect(startPostgres()).rejects.toThrow("ECONNREFUSED");
});

test("without any server, the error names the three ways to get one", async () => {
  vi.stubEnv("TEST_DATABASES_DOCKER", "off");
  vi.stubEnv("PATH", "");
  await expect(startRedis()).rejects.toThrow(/TEST_REDIS_URL .*\n.*Docker.*\n.*redis-server/);
  await expect(startRedisCluster()).rejects.toThrow(/TEST_REDIS_CLUSTER_URL .*\n.*Docker.*\n.*redis-cli/);
  await expect(startPostgres({ version: 99 })).rejects.toThrow(/TEST_POSTGRES_URL .*\n.*Docker.*\n.*initdb/);
});

test("a run that requires Docker uses no other server", async () => {
  vi.stubEnv("TEST_DATABASES_DOCKER", "required");
  vi.stubEnv("TEST_REDIS_IMAGE", "localhost:1/no/such-image");
  await expect(startRedis()).rejects.toThrow(/no Docker engine answers|cannot pull/);
});

async function query(url: string, statement: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

/** Whether a server listens there. */
async function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function processesNaming(word: string): Promise<string[]> {
  const listing = await run("ps", ["-A", "-o", "args="], { cwd: "/" });
  return listing.split("\n").filter((line) => line.includes(word));
}
