import { once } from "node:events";
import { createRequire } from "node:module";
import { type AddressInfo, connect, Socket } from "node:net";
import { type PgPool, PostgresTaskStore } from "@mcp-task-store/postgres";
import { Client as NeonClient, Pool as NeonPool, neonConfig } from "@neondatabase/serverless";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { createWebSocketStream, WebSocketServer } from "ws";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { newSchema, poolOf } from "./support/sql.ts";

// Pools in pg's shape, other than pg's own over a Node.js socket.

const database = useDatabase();

/** A WebSocket proxy in front of the database, like Neon's. */
async function webSocketProxy(): Promise<string> {
  const { hostname, port } = new URL(database.url);
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket) => {
    const stream = createWebSocketStream(socket);
    const upstream = connect(Number(port || 5432), hostname);
    for (const each of [stream, upstream]) each.on("error", () => [stream, upstream].map((both) => both.destroy()));
    stream.pipe(upstream).pipe(stream);
  });
  await once(server, "listening");
  onTestFinished(async () => {
    for (const client of server.clients) client.terminate();
    server.close();
    await once(server, "close");
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function neonPool(): Promise<PgPool> {
  const proxy = await webSocketProxy();
  neonConfig.wsProxy = () => proxy;
  neonConfig.useSecureWebSocket = false;
  neonConfig.pipelineTLS = false;
  neonConfig.pipelineConnect = false;
  const pool = new NeonPool({ connectionString: database.url, max: 4 });
  pool.on("error", () => undefined);
  onTestFinished(() => pool.end());
  return pool;
}

const bareSocket = () => Object.assign(new Socket(), { cork: undefined, uncork: undefined });

/** The first version in the range of the peer dependency. */
const oldestPg = createRequire(import.meta.url)("pg-oldest") as typeof pg;

function oldestPool(): PgPool {
  const pool = new oldestPg.Pool({ connectionString: database.url, max: 4 });
  onTestFinished(() => pool.end());
  return pool;
}

test("the oldest pg that is tested is the oldest that is promised", () => {
  const { version } = createRequire(import.meta.url)("pg-oldest/package.json");
  const { peerDependencies } = createRequire(import.meta.url)("@mcp-task-store/postgres/package.json");
  expect(peerDependencies.pg).toBe(`^${version}`);
});

const pools: [string, () => PgPool | Promise<PgPool>][] = [
  ["the oldest pg", oldestPool],
  ["pg over a stream without cork", () => poolOf(database.url, { max: 4, stream: bareSocket as never })],
  ["pg that pipelines", () => poolOf(database.url, { max: 4, pipeline: true } as pg.PoolConfig)],
  ["pg with binary results", () => poolOf(database.url, { max: 4, binary: true } as pg.PoolConfig)],
  ["pg with a timeout of its own", () => poolOf(database.url, { max: 4, query_timeout: 30_000 })],
  ["Neon's serverless driver over WebSocket", neonPool],
];

test.each(pools)("%s runs lifecycles, waits, claims and messages", async (_, makePool) => {
  const schema = newSchema();
  const store = new PostgresTaskStore({ pool: await makePool(), schema, limits: { activeTasksPerOwner: 100 } });
  const other = new PostgresTaskStore({ connectionString: database.url, schema });
  onTestFinished(async () => {
    await Promise.all([store.close(), other.close()]);
  });
  await Promise.all(
    Array.from({ length: 8 }, async (_each, index) => {
      const { taskId } = await store.createTask({ ttl: 60_000 }, 1, { method: "m" });
      const waiting = store.waitForResult(taskId);
      await store.updateTaskStatus(taskId, "working", "half");
      expect((await store.getTask(taskId))?.statusMessage).toBe("half");
      await other.storeTaskResult(taskId, "completed", { index });
      expect(await waiting).toMatchObject({ index });
    }),
  );
  await store.createTask({ claimAfterMs: 0 }, 1, { method: "claimed" });
  expect(await store.claimTask({ names: ["claimed"] })).toBeDefined();
  const message = { type: "notification", message: { jsonrpc: "2.0", method: "m" }, timestamp: 1 } as const;
  await store.messages.enqueue("queue", message, undefined, 2);
  expect(await store.messages.dequeue("queue")).toEqual(message);
  expect((await store.listTasks()).tasks).toHaveLength(9);
});

test.each([
  ["a client of pg", () => new pg.Client("postgres://unused")],
  ["a client of Neon's", () => new NeonClient("postgres://unused")],
  ["a URL", () => "postgres://unused"],
  ["null", () => null],
  ["the options of a pool", () => ({ connectionString: "postgres://unused" })],
])("%s is no pool, and the constructor says so", (_, make) => {
  expect(() => new PostgresTaskStore({ pool: make() as never })).toThrow(
    expect.objectContaining({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/pool/i),
    }),
  );
});

test("a pool whose connect() gives no client is refused by the first call", async () => {
  for (const given of [undefined, {}]) {
    const store = new PostgresTaskStore({ pool: { connect: async () => given as never } });
    await expect(store.listTasks()).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: /connect\(\)/ });
    await store.close();
  }
});
