// Not portable: what is particular to a driver. bun:sqlite is tested on Bun.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { migrate, SCHEMA_VERSION, type SqliteDatabase, SqliteTaskStore } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { describe, expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "./support/folder.ts";

const request = { method: "tools/call", params: { name: "render" } };

/**
 * A database by each driver, with the application's own settings. Two drivers may not open one file
 * in one process: they are two copies of SQLite, which do not see each other's locks.
 */
const DATABASES: [name: string, open: (path: string) => SqliteDatabase][] = [
  ["better-sqlite3", (path) => new Database(path)],
  ["better-sqlite3 that reads BigInt", (path) => new Database(path).defaultSafeIntegers()],
  ["node:sqlite", (path) => new DatabaseSync(path)],
  [
    "node:sqlite that reads BigInt in arrays",
    (path) => new DatabaseSync(path, { readBigInts: true, returnArrays: true }),
  ],
];

describe.each(DATABASES)("a database of %s", (_, open) => {
  function opened(path: string): SqliteDatabase {
    const database = open(path);
    onTestFinished(() => void database.close());
    return database;
  }

  test("is migrated, used and left open", async () => {
    const path = join(temporaryFolder(), "tasks.db");
    const database = opened(path);
    expect(migrate(database)).toBe(SCHEMA_VERSION);
    const store = new SqliteTaskStore({ database, migrate: false, limits: { activeTasks: 2 } });
    expect(store.capabilities).toEqual({ durable: true, multiProcess: true });
    const { taskId } = await store.createTask({ ttl: 2 ** 45 }, 1, request);
    await store.storeTaskResult(taskId, "completed", { numbers: [2 ** 53 - 1, -0.5, 1e300], text: "\0\ud800" });
    const other = new SqliteTaskStore({ database: opened(path) });
    expect(await other.getTask(taskId)).toMatchObject({ ttl: 2 ** 45, status: "completed" });
    expect(await other.getTaskResult(taskId)).toEqual({ numbers: [2 ** 53 - 1, -0.5, 1e300], text: "\0\ud800" });
    const { records } = await store.operations.listRecords({ where: { status: "completed" } });
    expect(records).toHaveLength(1);
    await Promise.all([store.close(), other.close()]);
    expect(database.prepare("SELECT 1 AS one").get()).toBeTruthy();
  });

  test("in memory, it is neither durable nor shared", () => {
    const store = new SqliteTaskStore({ database: opened(":memory:") });
    expect(store.capabilities).toEqual({ durable: false, multiProcess: false });
  });

  test("inside a transaction it is refused, and works after it", async () => {
    const database = opened(":memory:");
    const store = new SqliteTaskStore({ database });
    const { taskId } = await store.createTask({}, 1, request);
    database.exec("BEGIN");
    const refused = { code: "BACKEND_UNAVAILABLE", message: expect.stringMatching(/inside a transaction/) };
    await expect(store.updateTaskStatus(taskId, "working")).rejects.toMatchObject(refused);
    expect(() => migrate(database)).toThrow(expect.objectContaining(refused));
    database.exec("COMMIT");
    await store.updateTaskStatus(taskId, "working");
    await store.close();
  });

  test("a lock of another connection is BACKEND_UNAVAILABLE", async () => {
    const path = join(temporaryFolder(), "tasks.db");
    const database = opened(path);
    database.exec("PRAGMA busy_timeout = 20");
    const store = new SqliteTaskStore({ database });
    const { taskId } = await store.createTask({}, 1, request);
    const other = opened(path);
    other.exec("BEGIN IMMEDIATE");
    await expect(store.updateTaskStatus(taskId, "working")).rejects.toMatchObject({
      ...{ code: "BACKEND_UNAVAILABLE", message: /locked/, write: "not-applied" },
    });
    other.exec("ROLLBACK");
    await store.updateTaskStatus(taskId, "working");
    await store.close();
  });

  test("once it is closed, calls are BACKEND_UNAVAILABLE", async () => {
    const database = open(":memory:");
    const store = new SqliteTaskStore({ database });
    await store.createTask({}, 1, request);
    database.close();
    await expect(store.getTask("any")).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE", message: /was closed/ });
    await store.close();
  });
});
