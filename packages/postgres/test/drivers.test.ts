import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { type PgPool, PostgresTaskStore, pglitePool } from "@mcp-task-store/postgres";
import { Client as NeonClient } from "@neondatabase/serverless";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { neonPool, startWebSocketProxy } from "./support/neon.ts";
import { oldestPg } from "./support/pools.ts";
import { newSchema, poolOf } from "./support/sql.ts";

// Pools in pg's shape, other than pg's own over a Node.js socket.

const database = useDatabase();

async function neon(): Promise<PgPool> {
  const proxy = await startWebSocketProxy();
  const pool = neonPool(database.url, proxy.address, 4);
  onTestFinished(async () => {
    await pool.end();
    await proxy.end();
  });
  return pool;
}

const bareSocket = () => Object.assign(new Socket(), { cork: undefined, uncork: undefined });

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
  ["Neon's serverless driver over WebSocket", neon],
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

test("PGlite keeps tasks in a folder over a kill, and says what it can", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pglite-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const program = `
    import { PGlite } from ${JSON.stringify(import.meta.resolve("@electric-sql/pglite"))};
    import { PostgresTaskStore, pglitePool } from ${JSON.stringify(import.meta.resolve("@mcp-task-store/postgres"))};
    const store = new PostgresTaskStore({ pool: pglitePool(await PGlite.create(process.argv[1])) });
    await store.createTask({ name: "grind", taskId: "kept" });
    process.kill(process.pid, "SIGKILL");`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program, join(folder, "data")], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
  const db = await PGlite.create(join(folder, "data"));
  onTestFinished(() => db.close());
  const store = new PostgresTaskStore({ pool: pglitePool(db) });
  expect(store.capabilities).toEqual({ durable: true, multiProcess: false });
  expect(await store.getTask("kept")).toMatchObject({ status: "working" });
  // The application's own transaction.
  await db.transaction((tx) => store.in(tx).createTask({ name: "grind", taskId: "within" }));
  const rolledBack = db.transaction(async (tx) => {
    await store.in(tx).createTask({ name: "grind" });
    throw new Error("It is refused");
  });
  await expect(rolledBack).rejects.toThrow("It is refused");
  expect((await store.listTasks()).tasks.map(({ taskId }) => taskId)).toEqual(["kept", "within"]);
  await store.close();
  const inMemory = await PGlite.create();
  onTestFinished(() => inMemory.close());
  expect(new PostgresTaskStore({ pool: pglitePool(inMemory) }).capabilities.durable).toBe(false);
});

test("databases of other libraries are no pools, and a pool is no PGlite database: the error says what is", async () => {
  const db = await PGlite.create();
  onTestFinished(() => db.close());
  expect(() => new PostgresTaskStore({ pool: db as never })).toThrow(/pglitePool\(database\)/);
  const sql = Object.assign(() => undefined, { unsafe: () => undefined, begin: () => undefined });
  expect(() => new PostgresTaskStore({ pool: sql as never })).toThrow(/postgres\.js/);
  expect(() => new PostgresTaskStore({ pool: drizzle(poolOf(database.url)) as never })).toThrow(
    /\$client of this drizzle/,
  );
  expect(() => pglitePool(new pg.Pool() as never)).toThrow(/needs a PGlite database/);
});

test("a pool whose connect() gives no client is refused by the first call", async () => {
  for (const given of [undefined, {}]) {
    const store = new PostgresTaskStore({ pool: { connect: async () => given as never } });
    await expect(store.listTasks()).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: /connect\(\)/ });
    await store.close();
  }
});
