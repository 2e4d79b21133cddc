import { type PgClient, type PgPool, type PgQuery, PostgresTaskStore } from "@mcp-task-store/postgres";
import type pg from "pg";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { poolOf, sql } from "./support/sql.ts";

// The application and the store share a pool. These tests cover state that the application leaves
// on a connection.

const database = useDatabase();
const request = { method: "tools/call", params: { name: "grind" } };

/** Hides everything of pg that a driver need not have. */
function withoutInside(pool: pg.Pool): PgPool {
  return {
    options: pool.options,
    async connect() {
      const client = await pool.connect();
      const bare: Pick<PgClient, "query" | "release"> = {
        query: (query: PgQuery) => client.query(query),
        release: (destroy) => client.release(destroy),
      };
      return Object.assign(bare, {
        on: client.on.bind(client),
        removeListener: client.removeListener.bind(client),
      }) as unknown as PgClient;
    },
  };
}

/** Hides the members that older pg and Neon's driver lack. */
function withoutStatus(pool: pg.Pool): pg.Pool {
  pool.on("connect", (client) => Object.assign(client, { getTransactionStatus: undefined }));
  return pool;
}

const drivers: [string, (pool: pg.Pool) => PgPool][] = [
  ["pg", (pool) => pool],
  ["a driver that does not keep the status", withoutStatus],
  ["a driver that hides its internals", withoutInside],
];

interface Place {
  readonly pool: pg.Pool;
  /** On the application's pool. */
  readonly store: PostgresTaskStore;
  /** On its own connections. */
  readonly other: PostgresTaskStore;
}

async function place(wrap: (pool: pg.Pool) => PgPool = (pool) => pool, max = 2): Promise<Place> {
  const pool = poolOf(database.url, { max });
  const options = { sweepIntervalMs: false, connectTimeoutMs: 4000 } as const;
  const store = new PostgresTaskStore({ pool: wrap(pool), ...options });
  const other = new PostgresTaskStore({ connectionString: database.url, ...options });
  onTestFinished(async () => {
    await Promise.all([store.close(), other.close()]);
  });
  await store.listTasks();
  return { pool, store, other };
}

/** Runs the SQL on each of the pool's `max` connections, and releases them. */
async function leave(pool: pg.Pool, ...statements: string[]): Promise<number[]> {
  const clients = await Promise.all(Array.from({ length: pool.options.max ?? 10 }, () => pool.connect()));
  for (const client of clients) for (const text of statements) await client.query(text).catch(() => undefined);
  for (const client of clients) client.release();
  return clients.map((client) => (client as unknown as { processID: number }).processID);
}

describe.each(drivers)("with %s", (_, wrap) => {
  test.each([
    ["open", ["BEGIN"]],
    ["open, with rows read", ["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT FROM pg_class"]],
    ["failed", ["BEGIN", "SELECT 1 / 0"]],
    ["read-only", ["BEGIN READ ONLY"]],
  ])("a transaction left %s neither rolls back nor hides an acknowledged write", async (_state, left) => {
    const { pool, store, other } = await place(wrap);
    await leave(pool, ...left);
    const { taskId } = await store.createTask({}, 1, request);
    await leave(pool, ...left);
    await store.storeTaskResult(taskId, "completed", { done: true });
    await leave(pool, ...left);
    const message = { type: "notification", message: { jsonrpc: "2.0", method: "m" }, timestamp: 1 } as const;
    await store.messages.enqueue(taskId, message, undefined, 9);
    await leave(pool, ...left);
    const waiting = await store.createTask({ claimAfterMs: 0 }, 1, { method: taskId });
    await leave(pool, ...left);
    const claimed = await store.claimTask({ names: [taskId] });
    await leave(pool, ...left);
    expect(claimed?.lease.taskId).toBe(waiting.taskId);
    await other.cancelTask(waiting.taskId);
    expect((await store.getTask(waiting.taskId))?.status).toBe("cancelled");
    await leave(pool);
    expect(await other.getTaskResult(taskId)).toEqual({ done: true });
    expect(await other.messages.dequeue(taskId)).toMatchObject({ timestamp: 1 });
    expect((await other.getRecord(waiting.taskId))?.attempt).toBe(1);
  });

  test("a transaction left open is rolled back, and its connection closed", async () => {
    const { pool, store } = await place(wrap, 1);
    await sql(database.url, "DROP TABLE IF EXISTS of_application");
    await sql(database.url, "CREATE TABLE of_application (id int)");
    const [pid] = await leave(pool, "BEGIN", "INSERT INTO of_application VALUES (1)");
    await store.createTask({}, 1, request);
    expect(await sql(database.url, "SELECT FROM of_application")).toEqual([]);
    await vi.waitFor(async () => {
      expect(await sql(database.url, "SELECT FROM pg_stat_activity WHERE pid = $1", [pid])).toEqual([]);
    }, 10_000);
  });

  test("a BEGIN still queued on a connection affects no call of the store", async () => {
    const { pool, store, other } = await place(wrap, 1);
    const capped = new PostgresTaskStore({ pool: wrap(pool), limits: { activeTasks: 1000 } });
    await capped.listTasks();
    for (const each of [store, capped]) {
      const client = await pool.connect();
      const begun = client.query("BEGIN");
      client.release();
      const { taskId } = await each.createTask({}, 1, request);
      await begun;
      await leave(pool, "ROLLBACK");
      expect(await other.getTask(taskId)).not.toBeNull();
    }
    await capped.close();
  });

  test("a wait listens on a connection without a transaction", async () => {
    const { pool, store, other } = await place(wrap);
    const { taskId } = await store.createTask({}, 1, request);
    await leave(pool, "BEGIN");
    const waiting = store.waitForTask(taskId);
    await other.cancelTask(taskId);
    expect((await waiting).task.status).toBe("cancelled");
  });
});

test("a transaction begun on a released connection affects no call of the store", async () => {
  const { pool, store, other } = await place(undefined, 1);
  const client = await pool.connect();
  client.release();
  const created = store.createTask({}, 1, request);
  // The store holds the connection, but has no answer yet.
  pool.once("acquire", () => void client.query("BEGIN"));
  const next = store.createTask({}, 1, request);
  const ids = [(await created).taskId, (await next).taskId];
  await store.listTasks();
  for (const taskId of ids) expect(await other.getTask(taskId)).not.toBeNull();
});

test("if every connection comes back in a transaction, calls are refused and nothing is written", async () => {
  const { pool, store, other } = await place();
  pool.on("connect", (client) => void client.query("BEGIN"));
  await leave(pool, "BEGIN");
  await expect(store.createTask({ taskId: "refused" }, 1, request)).rejects.toMatchObject({
    code: "BACKEND_UNAVAILABLE",
    write: "not-applied",
    message: /transaction open.*before release/,
  });
  pool.removeAllListeners("connect");
  expect(await other.getTask("refused")).toBeNull();
  await store.createTask({ taskId: "refused" }, 1, request);
  expect(await other.getTask("refused")).not.toBeNull();
});

test.each([
  ["read-only", "SET default_transaction_read_only = on"],
  ["read-only as a characteristic", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"],
  ["with another role", "SET ROLE pg_monitor"],
  ["with another session user", "SET SESSION AUTHORIZATION pg_monitor"],
])("connections left %s are replaced, and the call is repeated", async (_, left) => {
  const { pool, store, other } = await place();
  await leave(pool, left);
  const { taskId } = await store.createTask({}, 1, request);
  expect((await other.getTask(taskId))?.status).toBe("working");
  await store.storeTaskResult(taskId, "completed", { done: true });
  expect(await other.getTaskResult(taskId)).toEqual({ done: true });
});

test("a connection is kept after a timeout whose setting came with it", async () => {
  const { other } = await place();
  const { taskId } = await other.createTask({}, 1, request);
  const pool = poolOf(database.url, { max: 1, options: "-c lock_timeout=50" });
  const connected = vi.fn();
  pool.on("connect", connected);
  const store = new PostgresTaskStore({ pool, sweepIntervalMs: false });
  onTestFinished(() => store.close());
  await store.listTasks();
  const holder = await poolOf(database.url).connect();
  await holder.query("BEGIN");
  await holder.query("SELECT FROM mcp_tasks.tasks WHERE task_id = $1 FOR UPDATE", [taskId]);
  await expect(store.cancelTask(taskId)).rejects.toMatchObject({ write: "not-applied" });
  await holder.query("ROLLBACK");
  holder.release();
  await store.cancelTask(taskId);
  expect(connected).toHaveBeenCalledTimes(1);
});

test.each(["statement_timeout", "lock_timeout"])("a %s left on a connection fails one call", async (setting) => {
  const { pool, store, other } = await place(undefined, 1);
  // By the other store, whose notification of it cannot be the call that fails.
  const { taskId } = await other.createTask({}, 1, request);
  await leave(pool, `SET ${setting} = 50`);
  const holder = await poolOf(database.url).connect();
  await holder.query("BEGIN");
  await holder.query("SELECT FROM mcp_tasks.tasks WHERE task_id = $1 FOR UPDATE", [taskId]);
  await expect(store.cancelTask(taskId)).rejects.toMatchObject({ write: "not-applied" });
  const cancelled = store.cancelTask(taskId);
  // It waits for the lock, so the timeout is gone.
  await vi.waitFor(async () => {
    const waiting = "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'";
    expect(await sql(database.url, waiting)).toHaveLength(1);
  }, 10_000);
  await holder.query("ROLLBACK");
  holder.release();
  await cancelled;
  expect((await other.getTask(taskId))?.status).toBe("cancelled");
});

test("other settings left on a connection change nothing", async () => {
  const { pool, store, other } = await place();
  await sql(database.url, "CREATE SCHEMA application; CREATE TABLE application.tasks (id int)");
  await leave(
    pool,
    "SET search_path = application",
    "CREATE TEMP TABLE tasks (id int)",
    "SET default_transaction_isolation = serializable",
    "SET TimeZone = 'Asia/Tokyo'",
    "SET DateStyle = 'German'",
    "SET statement_timeout = 0",
    "SET standard_conforming_strings = off",
    "LISTEN application",
  );
  const before = Date.now();
  const { taskId } = await store.createTask({ ttl: 60_000, pollInterval: 100 }, 1, request);
  const waiting = store.waitForTask(taskId);
  await sql(database.url, "NOTIFY application, '{}'");
  await other.storeTaskResult(taskId, "completed", { text: "a\\b" });
  expect((await waiting).task.status).toBe("completed");
  expect(await store.getTaskResult(taskId)).toEqual({ text: "a\\b" });
  const task = await store.getTask(taskId);
  expect(task).toEqual(await other.getTask(taskId));
  expect(Math.abs(Date.parse(task?.createdAt ?? "") - before)).toBeLessThan(3_600_000);
});

test("a connection reset by DISCARD ALL or DEALLOCATE ALL is used again", async () => {
  const { pool, store } = await place();
  const { taskId } = await store.createTask({}, 1, request);
  for (const reset of ["DISCARD ALL", "DEALLOCATE ALL"]) {
    await leave(pool, reset);
    expect((await store.getTask(taskId))?.status).toBe("working");
    await store.updateTaskStatus(taskId, "working", reset);
  }
});
