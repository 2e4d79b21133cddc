import { join } from "node:path";
import { migrate, SCHEMA_VERSION, SqliteTaskStore } from "@mcp-task-store/sqlite";
import { schema } from "@mcp-task-store/sqlite/schema";
import Database from "better-sqlite3";
import { getTableName, SQL } from "drizzle-orm";
import { getTableConfig, type SQLiteColumn, SQLiteSyncDialect } from "drizzle-orm/sqlite-core";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "./support/folder.ts";
import { start } from "./support/process.ts";

const request = { method: "tools/call", params: { name: "grind" } };

test("ten processes can open a new file at once, and it is migrated once", async () => {
  const path = join(temporaryFolder(), "tasks.db");
  const processes = Array.from({ length: 10 }, () => start(["create", path]));
  await Promise.all(processes.map(({ ended }) => ended));
  expect(processes.map(({ lines }) => lines)).toEqual(Array(10).fill(["created"]));
  const database = new Database(path);
  expect(database.prepare("SELECT version FROM mcp_migrations").all()).toEqual(
    [-3, -2, 1].map((version) => ({ version })),
  );
  expect(database.prepare("SELECT count(*) AS count FROM mcp_tasks").get()).toEqual({ count: 10 });
  database.close();
});

test("stores with different table prefixes share a file and nothing else", async () => {
  const path = join(temporaryFolder(), "tasks.db");
  const stores = ["mcp_", "other_"].map((tablePrefix) => new SqliteTaskStore({ path, tablePrefix, pageSize: 1 }));
  const [first, second] = stores as [SqliteTaskStore, SqliteTaskStore];
  const [{ taskId }] = await Promise.all([first.createTask({}, 1, request), first.createTask({}, 2, request)]);
  await second.createTask({}, 3, request);
  expect(await second.getTask(taskId)).toBeNull();
  const { nextCursor } = await first.listTasks();
  await expect(second.listTasks(nextCursor)).rejects.toMatchObject({ code: "INVALID_CURSOR" });
  const database = new Database(path);
  const names = database
    .prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'other\\_%' ESCAPE '\\'")
    .pluck()
    .all();
  expect(names).toContain("other_tasks");
  expect(names).toContain("other_tasks_by_owner");
  database.close();
  await Promise.all(stores.map((store) => store.close()));
});

test.each(["", "Upper_", "1st", "a-b", 'a"; DROP TABLE x; --', "sqlite_"])(
  "tablePrefix %j is refused",
  (tablePrefix) => {
    expect(() => new SqliteTaskStore({ path: "unused", tablePrefix })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  },
);

describe("migrate", () => {
  test("returns the number of migrations that it applied", () => {
    const database = new Database(":memory:");
    expect(migrate(database)).toBe(SCHEMA_VERSION);
    expect(migrate(database)).toBe(0);
    expect(migrate(database, { tablePrefix: "other_" })).toBe(SCHEMA_VERSION);
    database.close();
  });

  test("leaves nothing behind when it fails", () => {
    const database = new Database(":memory:");
    database.exec("CREATE TABLE mcp_store (something TEXT)");
    expect(() => migrate(database)).toThrow(expect.objectContaining({ code: "BACKEND_UNAVAILABLE" }));
    expect(database.prepare("SELECT name FROM sqlite_schema").all()).toEqual([{ name: "mcp_store" }]);
    database.close();
  });

  test("must run before stores with `migrate: false` can open", async () => {
    const database = new Database(join(temporaryFolder(), "tasks.db"));
    const store = new SqliteTaskStore({ database, migrate: false });
    await expect(store.getTask("any")).rejects.toMatchObject({ code: "SCHEMA_MISMATCH" });
    expect(database.prepare("SELECT name FROM sqlite_schema").all()).toEqual([]);
    migrate(database);
    expect(await store.getTask("any")).toBeNull();
    await store.close();
    database.close();
  });
});

test("the drizzle schema matches the migrated tables", () => {
  const database = new Database(":memory:");
  migrate(database);
  const all = <Row>(sql: string, ...parameters: unknown[]) => database.prepare(sql).all(...parameters) as Row[];
  // SQLite's own table has the last numbers of events.
  const own = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'sqlite_sequence'";
  const actual = all<{ name: string }>(own).map(({ name }) => ({
    name,
    columns: all<{ name: string; type: string; notnull: number; pk: number }>(`PRAGMA table_xinfo(${name})`).map(
      // A column of a key is never null, declared or not.
      ({ name, type, notnull, pk }) => ({
        name,
        type: type.toLowerCase(),
        notNull: notnull === 1 && pk === 0,
        key: pk > 0,
      }),
    ),
    indexes: all<{ name: string; unique: number; origin: string }>(`PRAGMA index_list(${name})`)
      .filter(({ origin }) => origin === "c")
      .map((index) => ({
        name: index.name,
        unique: index.unique === 1,
        columns: all<{ name: string }>(`PRAGMA index_info(${index.name})`).map(({ name }) => name),
        where: all<{ sql: string }>("SELECT sql FROM sqlite_schema WHERE name = ?", index.name)[0]?.sql.split(
          " WHERE ",
        )[1],
      })),
  }));
  database.close();
  const dialect = new SQLiteSyncDialect();
  const expected = Object.values(schema()).map((table) => {
    const { columns, indexes, primaryKeys } = getTableConfig(table);
    const keys = new Set(primaryKeys.flatMap((key) => key.columns.map(({ name }) => name)));
    return {
      name: getTableName(table),
      columns: columns.map((column) => {
        const key = column.primary || keys.has(column.name);
        return { name: column.name, type: column.getSQLType(), notNull: column.notNull && !key, key };
      }),
      indexes: indexes.map(({ config: { name, unique, columns, where } }) => ({
        name,
        unique,
        columns: columns.filter((column) => !(column instanceof SQL)).map((column) => (column as SQLiteColumn).name),
        where: where && dialect.sqlToQuery(where).sql,
      })),
    };
  });
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
  const sorted = (tables: typeof actual) =>
    tables.toSorted(byName).map((table) => ({ ...table, indexes: table.indexes.toSorted(byName) }));
  expect(sorted(actual)).toEqual(sorted(expected));
});
