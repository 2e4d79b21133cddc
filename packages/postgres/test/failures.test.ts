import { inspect } from "node:util";
import { type PgPool, type PgQuery, PostgresTaskStore, type TaskStoreError } from "@mcp-task-store/postgres";
import type pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { PostgresProxy } from "./support/proxy.ts";
import { newSchema, poolOf, sql } from "./support/sql.ts";

const database = useDatabase();
const request = { method: "tools/call", params: { name: "grind" } };
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
type Options = ConstructorParameters<typeof PostgresTaskStore>[0];

function open(options: Options): PostgresTaskStore {
  const store = new PostgresTaskStore({ sweepIntervalMs: false, ...options });
  onTestFinished(() => store.close());
  return store;
}

async function errorOf(call: Promise<unknown>): Promise<TaskStoreError> {
  return call.then(
    () => expect.fail("The call succeeded"),
    (error: unknown) => error as TaskStoreError,
  );
}

test("the first call connects, and the application's pool stays open", async () => {
  const pool = poolOf(database.url);
  const store = open({ pool, schema: newSchema() });
  expect(pool.totalCount).toBe(0);
  await store.createTask({}, 1, request);
  await store.close();
  expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
});

test("connections are given back, and the store's own pool is closed", async () => {
  const schema = newSchema();
  const pool = poolOf(database.url, { max: 3 });
  const [own, shared] = [
    open({ connectionString: `${database.url}?application_name=own`, schema }),
    open({ pool, schema }),
  ];
  for (const store of [own, shared]) {
    const { taskId } = await store.createTask({}, 1, request);
    const waiting = store.waitForTask(taskId);
    await store.cancelTask(taskId);
    await waiting;
    await store.close();
  }
  expect(pool.idleCount).toBe(pool.totalCount);
  expect(pool.listenerCount("error")).toBe(1);
  const left = "SELECT pid FROM pg_stat_activity WHERE application_name = 'own'";
  await vi.waitFor(async () => expect(await sql(database.url, left)).toEqual([]), 10_000);
});

test("a full pool is BACKEND_UNAVAILABLE within connectTimeoutMs, even if the pool has no timeout", async () => {
  const pool = poolOf(database.url, { max: 1 });
  const store = open({ pool, schema: newSchema(), connectTimeoutMs: 2000 });
  await store.listTasks();
  const held = await pool.connect();
  expect(await errorOf(store.listTasks())).toMatchObject({ code: "BACKEND_UNAVAILABLE", cause: expect.any(Error) });
  held.release();
  expect(await store.listTasks()).toEqual({ tasks: [] });
});

test("a statement that waits too long is BACKEND_UNAVAILABLE and has written nothing", async () => {
  const schema = newSchema();
  const store = open({ connectionString: database.url, schema, statementTimeoutMs: 1500 });
  const { taskId } = await store.createTask({}, 1, request);
  const pool = poolOf(database.url);
  const other = await pool.connect();
  await other.query("BEGIN");
  await other.query(`SELECT FROM ${quoted(schema)}.tasks FOR UPDATE`);
  const error = await errorOf(store.cancelTask(taskId));
  expect(error).toMatchObject({
    code: "BACKEND_UNAVAILABLE",
    write: "not-applied",
    message: /nothing was written/,
    cause: { code: "57014" },
  });
  await other.query("ROLLBACK");
  other.release();
  expect((await store.getTask(taskId))?.status).toBe("working");
  await store.cancelTask(taskId);
});

test("the application's own lock_timeout is BACKEND_UNAVAILABLE too", async () => {
  const schema = newSchema();
  const store = open({ pool: poolOf(database.url, { options: "-c lock_timeout=100" }), schema });
  const { taskId } = await store.createTask({}, 1, request);
  const other = await poolOf(database.url).connect();
  await other.query("BEGIN");
  await other.query(`SELECT FROM ${quoted(schema)}.tasks FOR UPDATE`);
  expect(await errorOf(store.cancelTask(taskId))).toMatchObject({
    code: "BACKEND_UNAVAILABLE",
    cause: { code: "55P03" },
  });
  await other.query("ROLLBACK");
  other.release();
});

test("a call to a silent server times out, and the error marks a write as in doubt", async () => {
  const proxy = await PostgresProxy.start(database.url);
  const store = open({
    connectionString: proxy.url,
    schema: newSchema(),
    statementTimeoutMs: 1500,
    connectTimeoutMs: 1500,
  });
  const { taskId } = await store.createTask({}, 1, request);
  proxy.pause();
  const error = await errorOf(store.cancelTask(taskId));
  expect(error).toMatchObject({
    code: "BACKEND_UNAVAILABLE",
    write: "unknown",
    message: /unknown, read the task again/,
  });
  expect((await errorOf(store.getTask(taskId))).message).not.toMatch(/unknown/);
  proxy.resume();
  expect(["working", "cancelled"]).toContain((await store.getTask(taskId))?.status);
  await store.close();
  await proxy.end();
});

test("messages reveal neither the address nor the password nor the SQL", async () => {
  const options = { connectTimeoutMs: 1000, onError: () => undefined };
  for (const connectionString of [
    "postgres://user:hunter2@127.0.0.1:1/hidden",
    "postgres://user:hunter2@no-such-host.invalid/hidden",
    database.url.replace(/[^/]*$/, "hidden"),
    "postgres://user:hunter2@[bad/hidden",
  ]) {
    const error = await errorOf(open({ connectionString, ...options }).listTasks());
    expect(error.code).toBe("BACKEND_UNAVAILABLE");
    expect(`${error.message}${error.stack}`).not.toMatch(/hunter2|hidden|127\.0\.0\.1|no-such-host/);
  }
});

test("an error holds neither the refused payload nor its SQL", async () => {
  const schema = newSchema();
  const store = open({ connectionString: database.url, schema });
  const { taskId } = await store.createTask({}, 1, request);
  await sql(database.url, `ALTER TABLE ${quoted(schema)}.tasks ADD CHECK (outcome NOT LIKE '%s3cret%')`);
  const error = await errorOf(store.storeTaskResult(taskId, "completed", { text: "s3cret" }));
  expect(error).toMatchObject({ code: "BACKEND_UNAVAILABLE", cause: { code: "23514" } });
  expect(`${error.message}${error.stack}`).not.toMatch(/s3cret|UPDATE|tasks/);
  expect(inspect(error, { depth: 0 })).not.toContain("UPDATE");
});

test("a vanished table is SCHEMA_MISMATCH", async () => {
  const schema = newSchema();
  const store = open({ connectionString: database.url, schema });
  await store.listTasks();
  await sql(database.url, `DROP SCHEMA ${quoted(schema)} CASCADE`);
  expect(await errorOf(store.listTasks())).toMatchObject({ code: "SCHEMA_MISMATCH" });
});

test("connections that the server closed while idle are replaced, and no call fails", async () => {
  const store = open({ connectionString: database.url, schema: newSchema() });
  await Promise.all(Array.from({ length: 10 }, () => store.createTask({}, 1, request)));
  await sql(
    database.url,
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
  );
  await new Promise((resolve) => setImmediate(resolve));
  expect((await store.listTasks()).tasks).toHaveLength(10);
});

test.each([0, 1, 2])("a pause tells the truth when only %i more connections can be had", async (most) => {
  const pool = poolOf(database.url);
  const store = open({ pool, schema: newSchema() });
  await store.operations.pausedNames();
  const connect = pool.connect.bind(pool) as () => Promise<pg.PoolClient>;
  let left = most;
  const limited = vi.spyOn(pool, "connect").mockImplementation(() => {
    left -= 1;
    return left < 0 ? Promise.reject(new Error("connect ECONNREFUSED")) : connect();
  });
  const error = await store.operations.pauseClaims("grind").catch((thrown: TaskStoreError) => thrown);
  limited.mockRestore();
  if (error) expect(error).toMatchObject({ code: "BACKEND_UNAVAILABLE", write: "not-applied" });
  expect(await store.operations.pausedNames()).toEqual(error ? [] : ["grind"]);
});

test("the store works without statement_timeout behind a pooler that refuses it", async () => {
  const proxy = await PostgresProxy.start(database.url, { refusedSetting: "statement_timeout" });
  onTestFinished(() => proxy.end());
  const store = open({ connectionString: proxy.url, schema: newSchema() });
  expect(await Promise.all([store.listTasks(), store.listTasks()])).toEqual([{ tasks: [] }, { tasks: [] }]);
  await store.close();
});

test("the store prepares no statements behind a pooler that loses them", async () => {
  const pool = poolOf(database.url, { max: 5 });
  const forgetful: PgPool = {
    async connect() {
      const client = await pool.connect();
      const lost = Object.assign(new Error("prepared statement does not exist"), { code: "26000" });
      return Object.assign(Object.create(client), {
        query: (query: PgQuery) => (query.name ? Promise.reject(lost) : client.query(query)),
        release: (destroy?: boolean) => client.release(destroy),
      });
    },
  };
  const store = open({ pool: forgetful, schema: newSchema(), limits: { activeTasks: 3 } });
  const created = await Promise.allSettled(Array.from({ length: 5 }, () => store.createTask({}, 1, request)));
  expect(created.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
});

test.each(["own", "application's"])("a connection of the %s pool may end while it is handed over", async (whose) => {
  const proxy = await PostgresProxy.start(database.url, { endsReady: true });
  onTestFinished(() => proxy.end());
  const store = open({
    ...(whose === "own" ? { connectionString: proxy.url } : { pool: poolOf(proxy.url) }),
    schema: newSchema(),
  });
  expect(await errorOf(store.listTasks())).toMatchObject({ code: "BACKEND_UNAVAILABLE", cause: expect.any(Error) });
});
