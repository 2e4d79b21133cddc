import { once } from "node:events";
import { join } from "node:path";
import { type BetterSqlite3Database, SqliteBackend, SqliteTaskStore } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "./support/folder.ts";
import { start } from "./support/process.ts";

const request = { method: "tools/call", params: { name: "grind" } };

test("every acknowledged write survives kill -9 in the middle of writing", async () => {
  const path = join(temporaryFolder(), "tasks.db");
  const writer = start(["write", path]);
  while (writer.lines.length < 100) await once(writer.child.stdout as NodeJS.ReadableStream, "data");
  writer.child.kill("SIGKILL");
  await writer.ended;
  const acknowledged = writer.lines;
  const store = new SqliteTaskStore({ path });
  for (const taskId of acknowledged) expect(await store.getTaskResult(taskId)).toEqual({ of: taskId });
  await store.createTask({}, 1, request);
  await store.close();
  const database = new Database(path);
  expect(database.pragma("integrity_check", { simple: true })).toBe("ok");
  database.close();
});

/** A database that records the calls on it. */
function observed(database: BetterSqlite3Database, note: (sql: string) => void): BetterSqlite3Database {
  return {
    get memory() {
      return database.memory;
    },
    get inTransaction() {
      return database.inTransaction;
    },
    prepare(sql) {
      const statement = database.prepare(sql);
      const noting =
        (method: "run" | "get" | "all") =>
        (...parameters: unknown[]) => {
          note(sql);
          return statement[method](...parameters) as never;
        };
      return {
        run: noting("run"),
        get: noting("get"),
        all: noting("all"),
        safeIntegers: (toggle) => statement.safeIntegers(toggle),
      };
    },
    exec: (sql) => database.exec(sql),
    close: () => database.close(),
  };
}

describe("the `synchronous` option", () => {
  // Only the same connection's pragma shows the setting.
  test.each([
    [undefined, 1],
    ["normal", 1],
    ["full", 2],
  ] as const)("%s", async (synchronous, level) => {
    const path = join(temporaryFolder(), "tasks.db");
    const { prototype } = Database;
    const opened: Database.Database[] = [];
    const { prepare } = prototype;
    prototype.prepare = function (this: Database.Database, sql: string) {
      opened.push(this);
      return prepare.call(this, sql) as never;
    };
    const backend = new SqliteBackend({ path, synchronous });
    try {
      await backend.open();
    } finally {
      prototype.prepare = prepare;
    }
    expect(opened[0]?.pragma("synchronous", { simple: true })).toBe(level);
    expect(opened[0]?.pragma("journal_mode", { simple: true })).toBe("wal");
    await backend.close();
    expect(opened[0]?.open).toBe(false);
  });

  test("concurrent writes share a commit", async () => {
    const database = new Database(join(temporaryFolder(), "tasks.db"));
    let commits = 0;
    const store = new SqliteTaskStore({
      database: observed(database, (sql) => {
        if (sql === "COMMIT") commits += 1;
      }),
    });
    await store.listTasks();
    const made = await Promise.allSettled(
      ["a", "b", "a", "c"].map((taskId) => store.createTask({ taskId }, 1, request)),
    );
    expect(made.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
    expect(commits).toBe(1);
    await store.close();
    database.close();
  });

  test("a failed write fails no other write of its commit", async () => {
    const database = new Database(join(temporaryFolder(), "tasks.db"));
    const store = new SqliteTaskStore({ database });
    await store.listTasks();
    database.exec(
      "CREATE TRIGGER refuse BEFORE INSERT ON mcp_tasks WHEN new.task_id = 'b' BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    const made = await Promise.allSettled(["a", "b", "c"].map((taskId) => store.createTask({ taskId }, 1, request)));
    expect(made.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect((await store.listTasks()).tasks.map(({ taskId }) => taskId)).toEqual(["a", "c"]);
    await store.close();
    database.close();
  });
});

describe("a database of the application", () => {
  test("stays open and as it is", async () => {
    const database = new Database(join(temporaryFolder(), "tasks.db"));
    database.defaultSafeIntegers(true);
    const store = new SqliteTaskStore({ database });
    const { taskId } = await store.createTask({ ttl: 60_000 }, 1, request);
    expect(await store.getTask(taskId)).toMatchObject({ ttl: 60_000 });
    expect(store.capabilities).toEqual({ durable: true, multiProcess: true });
    await store.close();
    expect(database.open).toBe(true);
    expect(database.pragma("journal_mode", { simple: true })).toBe("delete");
    database.close();
  });

  test("gets no writes inside the application's own transaction", async () => {
    const database = new Database(":memory:");
    const store = new SqliteTaskStore({ database });
    await store.listTasks();
    database.exec("BEGIN");
    await expect(store.createTask({}, 1, request)).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
    expect(database.inTransaction).toBe(true);
    database.exec("COMMIT");
    await store.createTask({}, 1, request);
    await store.close();
    database.close();
  });

  test("is BACKEND_UNAVAILABLE once the application has closed it", async () => {
    const database = new Database(":memory:");
    const store = new SqliteTaskStore({ database });
    await store.listTasks();
    database.close();
    await expect(store.listTasks()).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE", message: /was closed/ });
    await store.close();
  });
});

test(":memory: promises neither durability nor sharing", async () => {
  const store = new SqliteTaskStore({ path: ":memory:" });
  expect(store.capabilities).toEqual({ durable: false, multiProcess: false });
  expect(Object.isFrozen(store.capabilities)).toBe(true);
  const { taskId } = await store.createTask({}, 1, request);
  expect(await store.getTask(taskId)).not.toBeNull();
  await store.close();
});

test.each([
  {},
  { path: "" },
  { path: "a", database: new Database(":memory:") },
  { path: "a", synchronous: "off" as never },
  { path: "a", changePollMs: 0 },
])("invalid options are refused: %j", (options) => {
  expect(() => new SqliteTaskStore(options)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});
