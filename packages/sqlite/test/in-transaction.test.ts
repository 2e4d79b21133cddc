// Tasks that are created in a transaction of the application.
import { randomBytes } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setInterval } from "node:timers/promises";
import {
  aesGcm,
  isTaskStoreError,
  migrate,
  SqliteBackend,
  type SqliteDatabase,
  SqliteTaskStore,
  type SqliteTaskStoreOptions,
  startWorker,
  type TaskStoreError,
} from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { drizzle } from "drizzle-orm/better-sqlite3";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { type Generated, Kysely, SqliteDialect } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "./support/folder.ts";
import { start } from "./support/process.ts";

function newPath(): string {
  return join(temporaryFolder(), "tasks.db");
}

function open(options: SqliteTaskStoreOptions): SqliteTaskStore {
  const store = new SqliteTaskStore({ sweepIntervalMs: false, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** The application's own connection, with a table of its own. */
function openDatabase(path: string): Database.Database {
  const database = new Database(path);
  onTestFinished(() => void database.close());
  database.pragma("journal_mode = WAL");
  database.exec("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, task_id TEXT NOT NULL)");
  migrate(database);
  return database;
}

function refusal(call: () => unknown): TaskStoreError {
  try {
    call();
  } catch (error) {
    if (isTaskStoreError(error)) return error;
    throw error;
  }
  throw new Error("It was not refused");
}

const orders = sqliteTable("orders", { id: integer().primaryKey(), taskId: text("task_id").notNull() });

/** Runs the body in a transaction of a library, which rolls back if the body throws. */
type Transact = (database: Database.Database, body: (order: (taskId: string) => unknown) => void) => unknown;

const LIBRARIES: [library: string, transact: Transact][] = [
  [
    "better-sqlite3",
    (database, body) => {
      const insert = database.prepare("INSERT INTO orders (task_id) VALUES (?)");
      database.transaction(() => body((taskId) => insert.run(taskId))).immediate();
    },
  ],
  [
    "drizzle",
    (client, body) =>
      drizzle({ client }).transaction((tx) => body((taskId) => tx.insert(orders).values({ taskId }).run()), {
        behavior: "immediate",
      }),
  ],
  [
    "Kysely",
    async (database, body) => {
      type Tables = { orders: { id: Generated<number>; task_id: string } };
      const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
      await db.transaction().execute(async (trx) => {
        const rows: string[] = [];
        body((taskId) => rows.push(taskId));
        for (const task_id of rows) await trx.insertInto("orders").values({ task_id }).execute();
      });
    },
  ],
];

test.each(LIBRARIES)(
  "by %s: task and row exist after the commit, and neither after a rollback",
  async (_, transact) => {
    const path = newPath();
    const database = openDatabase(path);
    const [store, other] = [open({ path }), open({ path })];
    const tasks: string[] = [];
    await transact(database, (order) => {
      const task = store
        .in(database)
        .createTask({ name: "ship", arguments: { order: 7 }, owner: "alice", ttl: 60_000 });
      expect(task).toMatchObject({ status: "working", ttl: 60_000 });
      tasks.push(task.taskId);
      order(task.taskId);
    });
    const failing = async () =>
      transact(database, (order) => {
        const { taskId } = store.in(database).createTask({ name: "ship" });
        tasks.push(taskId);
        order(taskId);
        throw new Error("The order is refused");
      });
    await expect(failing()).rejects.toThrow("The order is refused");

    const [made = "", gone = ""] = tasks;
    expect(database.prepare("SELECT task_id FROM orders").pluck().all()).toEqual([made]);
    expect(await other.getTask(gone)).toBeNull();
    expect(await other.getRecord(made, { owner: "alice" })).toMatchObject({
      owner: "alice",
      request: { method: "tools/call", params: { name: "ship", arguments: { order: 7 } } },
    });
    expect((await other.listTasks()).tasks).toHaveLength(1);
  },
);

test("a connection of node:sqlite takes part in its own transaction", async () => {
  const path = newPath();
  const database = new DatabaseSync(path);
  onTestFinished(() => database.close());
  migrate(database);
  const store = open({ database });
  database.exec("BEGIN IMMEDIATE");
  const { taskId } = store.in(database).createTask({ name: "ship" });
  database.exec("ROLLBACK");
  expect(await store.getTask(taskId)).toBeNull();
  database.exec("BEGIN IMMEDIATE");
  store.in(database).createTask({ name: "ship", taskId });
  database.exec("COMMIT");
  expect(await store.getTask(taskId)).toMatchObject({ taskId });
});

const POLL_MS = 5;

/** The stores have polled. Their timers are older than this one and have the same period. */
async function polled(): Promise<void> {
  let ticks = 0;
  for await (const _ of setInterval(POLL_MS)) if (++ticks === 2) break;
}

test.each(["a connection of its own", "the application's connection"])(
  "a store on %s hears of the task once it is committed, and not before",
  async (which) => {
    const path = newPath();
    const database = openDatabase(path);
    const polls = { fallbackPollMs: 600_000, claimAfterMs: 0, changePollMs: POLL_MS };
    const store = open(which === "a connection of its own" ? { path, ...polls } : { database, ...polls });
    const heard: string[] = [];
    await store.subscribe(({ task }) => heard.push(`${task.taskId} ${task.status}`));
    await store.watchClaimable((name) => name && heard.push(`claimable ${name}`));

    database.exec("BEGIN IMMEDIATE");
    store.in(database).createTask({ name: "ship", taskId: "late" });
    await polled();
    const before = [...heard];
    database.exec("COMMIT");
    await expect.poll(() => heard.toSorted()).toEqual(["claimable ship", "late working"]);
    expect(before).toEqual([]);

    database.exec("BEGIN IMMEDIATE");
    store.in(database).createTask({ name: "ship", taskId: "gone" });
    database.exec("ROLLBACK");
    await store.createTask({ name: "ship", taskId: "next" });
    await expect.poll(() => heard.includes("next working")).toBe(true);
    expect(heard.filter((each) => each.startsWith("gone"))).toEqual([]);
  },
);

test("a listener that begins during the transaction hears of the task after the commit", async () => {
  const database = openDatabase(newPath());
  const backend = new SqliteBackend({ database, changePollMs: POLL_MS });
  await backend.open();
  onTestFinished(() => backend.close());
  // From now on it is registered in the file, so that it can listen without a write.
  await (await backend.listen(() => undefined))();
  database.exec("BEGIN IMMEDIATE");
  const task = {
    taskId: "late",
    owner: null,
    name: "ship",
    ttl: null,
    pollInterval: 1000,
    request: "{}",
    claimAfterMs: 0,
  };
  backend.insertIn(database, task, { activeTasks: null, activeTasksPerOwner: null });
  const heard: (string | undefined)[] = [];
  await backend.listen((taskId) => heard.push(taskId));
  await polled();
  expect(heard).toEqual([]);
  database.exec("COMMIT");
  await expect.poll(() => heard).toEqual(["late"]);
});

test("a worker in another process runs the task after the commit", async () => {
  const path = newPath();
  const database = openDatabase(path);
  const worker = start(["work", path]);
  expect(await worker.line()).toBe("working");
  // The store itself is never opened.
  const store = open({ path });
  const { taskId } = database
    .transaction(() => store.in(database).createTask({ name: "grind", claimAfterMs: 0 }))
    .immediate();
  expect(await store.waitForResult(taskId)).toEqual({ of: taskId });
  worker.child.kill();
  await worker.ended;
});

test("limits, errors and traces are those of createTask", async () => {
  const path = newPath();
  const database = openDatabase(path);
  const limits = { activeTasks: 3, activeTasksPerOwner: 1, ttl: { max: 1000 }, payloadBytes: 1000 };
  const store = open({ path, limits });
  await store.createTask({ name: "ship", taskId: "taken" });
  const within = store.in(database);
  const codeOf = (task: object) => refusal(() => within.createTask(task as never)).code;
  const published = { start: [] as unknown[], asyncEnd: [] as unknown[], error: [] as unknown[] };
  for (const event of ["start", "asyncEnd", "error"] as const) {
    const listener = (message: unknown) => void published[event].push(message);
    subscribe(`tracing:mcp-task-store.create:${event}`, listener);
    onTestFinished(() => void unsubscribe(`tracing:mcp-task-store.create:${event}`, listener));
  }

  database.exec("BEGIN IMMEDIATE");
  expect(within.createTask({ name: "ship", owner: "alice" })).toMatchObject({ ttl: 1000 });
  expect(published.start).toMatchObject([{ operation: "create", method: "createTask", name: "ship" }]);
  expect(codeOf({ name: "ship", owner: "alice" })).toBe("LIMIT_EXCEEDED");
  expect(codeOf({ name: "ship", taskId: "taken" })).toBe("TASK_EXISTS");
  expect(codeOf({ name: "ship", arguments: { text: "x".repeat(1000) } })).toBe("PAYLOAD_TOO_LARGE");
  expect(codeOf({ name: "ship", arguments: { big: 1n } })).toBe("INVALID_ARGUMENT");
  expect(codeOf({ nam: "ship" })).toBe("INVALID_ARGUMENT");
  expect(codeOf({ name: "ship", owner: "\0" })).toBe("INVALID_ARGUMENT");
  within.createTask({ name: "ship", owner: "bob" });
  expect(codeOf({ name: "ship", owner: "carol" })).toBe("LIMIT_EXCEEDED");
  database.exec("ROLLBACK");
  expect((await store.listTasks()).tasks).toHaveLength(1);
  expect(published.asyncEnd).toHaveLength(published.start.length);
  expect(published.error[0]).toMatchObject({ error: { code: "LIMIT_EXCEEDED" } });
  database.transaction(() => void within.createTask({ name: "ship", owner: "bob" })).immediate();
  expect((await store.listTasks()).tasks).toHaveLength(2);
  await store.close();
  database.exec("BEGIN");
  expect(codeOf({ name: "ship" })).toBe("STORE_CLOSED");
});

test("limits hold after a rollback that took their index with it", async () => {
  const path = newPath();
  const database = openDatabase(path);
  const store = open({ path, limits: { activeTasks: 1 } });
  const create = () => store.in(database).createTask({ name: "ship" });
  database.exec("BEGIN IMMEDIATE");
  create();
  database.exec("ROLLBACK");
  database.transaction(create).immediate();
  expect(refusal(() => database.transaction(create).immediate()).code).toBe("LIMIT_EXCEEDED");
  expect((await store.listTasks()).tasks).toHaveLength(1);
});

test("an expired task gives its id to a new one", async () => {
  const path = newPath();
  const database = openDatabase(path);
  let ahead = 0;
  const store = open({ path, clock: { now: () => Date.now() + ahead } });
  await store.createTask({ name: "ship", taskId: "again", ttl: 1000, arguments: { text: "x".repeat(5000) } });
  ahead = 2000;
  const create = () => store.in(database).createTask({ name: "pack", taskId: "again" });
  database.transaction(create).immediate();
  expect(await store.getRecord("again")).toMatchObject({ name: "pack", request: { params: { name: "pack" } } });
});

test("what is refused in a transaction leaves it as it was", async () => {
  const path = newPath();
  const database = openDatabase(path);
  const store = open({ path, limits: { activeTasks: 1 } });
  database.transaction(() => {
    store.in(database).createTask({ name: "ship", taskId: "first" });
    expect(refusal(() => store.in(database).createTask({ name: "ship" })).code).toBe("LIMIT_EXCEEDED");
    database.exec("INSERT INTO orders (task_id) VALUES ('first')");
  })();
  expect((await store.listTasks()).tasks.map(({ taskId }) => taskId)).toEqual(["first"]);
  expect(database.prepare("SELECT count(*) FROM orders").pluck().get()).toBe(1);
});

test("a creation that fails half-way leaves nothing in the transaction", async () => {
  const path = newPath();
  const database = openDatabase(path);
  const store = open({ path });
  database.exec("CREATE TRIGGER no_payloads BEFORE INSERT ON mcp_payloads BEGIN SELECT RAISE(ABORT, 'no'); END");
  const large = { name: "ship", arguments: { text: "x".repeat(5000) } };
  database.transaction(() => {
    expect(refusal(() => store.in(database).createTask(large)).code).toBe("BACKEND_UNAVAILABLE");
  })();
  expect((await store.listTasks()).tasks).toEqual([]);
});

test("a lock of another connection is BACKEND_UNAVAILABLE, and the transaction can go on", async () => {
  const path = newPath();
  const database = openDatabase(path);
  database.pragma("busy_timeout = 20");
  const store = open({ path });
  const other = openDatabase(path);
  other.exec("BEGIN IMMEDIATE");
  database.exec("BEGIN");
  const error = refusal(() => store.in(database).createTask({ name: "ship" }));
  expect(error).toMatchObject({ code: "BACKEND_UNAVAILABLE", message: expect.stringMatching(/locked/) });
  other.exec("ROLLBACK");
  const { taskId } = store.in(database).createTask({ name: "ship" });
  database.exec("COMMIT");
  expect(await store.getTask(taskId)).toMatchObject({ taskId });
});

test.each<[what: string, says: RegExp, prepare: (path: string) => SqliteDatabase]>([
  ["no open transaction", /no open transaction: begin one first/, (path) => openDatabase(path)],
  ["another file", /another one than the store's/, () => begun(openDatabase(newPath()))],
  ["a database in memory", /another one than the store's/, () => begun(openDatabase(":memory:"))],
  [
    "another driver",
    /driver is better-sqlite3, and the database is one of node:sqlite/,
    (path) => begun(new DatabaseSync(path)),
  ],
  ["a pool of PostgreSQL", /must be a Database of better-sqlite3/, () => ({ query: () => undefined }) as never],
])("in() refuses a database with %s", async (_, says, prepare) => {
  const path = newPath();
  const store = open({ path });
  await store.listTasks();
  const database = prepare(path);
  const error = refusal(() => store.in(database).createTask({ name: "ship" }));
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringMatching(says) });
  expect((await store.listTasks()).tasks).toEqual([]);
  (database as { close?: () => void }).close?.();
});

function begun<Opened extends SqliteDatabase>(database: Opened): Opened {
  database.exec("BEGIN");
  return database;
}

test("in() refuses a file without the store's tables, and says what to run", async () => {
  const path = newPath();
  const database = begun(new Database(path));
  onTestFinished(() => void database.close());
  database.exec("CREATE TABLE mine (id)");
  const error = refusal(() => open({ path }).in(database).createTask({ name: "ship" }));
  expect(error).toMatchObject({ code: "SCHEMA_MISMATCH", message: expect.stringMatching(/run migrate\(\) first/) });
});

test("a store whose path is a link to the file of the database takes it", async () => {
  const path = newPath();
  const database = openDatabase(path);
  const link = `${path}-link`;
  symlinkSync(path, link);
  const store = open({ path: link });
  const { taskId } = database.transaction(() => store.in(database).createTask({ name: "ship" })).immediate();
  expect(await store.getTask(taskId)).toMatchObject({ taskId });
});

test("a worker of a store on the application's connection runs the task", async () => {
  const database = openDatabase(newPath());
  const store = open({ database, claimAfterMs: 0 });
  const worker = startWorker(store, { ship: async () => ({ content: [] }) });
  onTestFinished(() => worker.stop());
  const { taskId } = database.transaction(() => store.in(database).createTask({ name: "ship" })).immediate();
  expect(await store.waitForResult(taskId)).toEqual({ content: [] });
});

test("beside a codec, which takes its time, a transaction is refused", () => {
  const path = newPath();
  const database = openDatabase(path);
  const codec = { encrypt: aesGcm({ keys: { one: randomBytes(32) }, current: "one" }) };
  const store = open({ path, codec });
  expect(refusal(() => store.in(database))).toMatchObject({ code: "NOT_SUPPORTED" });
  // A codec without stages is none.
  expect(() => open({ path, codec: {} }).in(database)).not.toThrow();
});
