// Not portable: the databases that a store takes, and its errors for others.
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { migrate, SqliteTaskStore } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { refusal } from "../../../tooling/test/fixtures/errors.ts";
import { temporaryFolder } from "./support/folder.ts";

const path = ":memory:";

test.each<[what: string, options: object, says: RegExp]>([
  [
    "a misspelt option",
    { path, busyTimeout: 5 },
    /SqliteTaskStore does not know "busyTimeout": did you mean "busyTimeoutMs"/,
  ],
  ["text for a flag", { path, migrate: "false" }, /migrate must be true or false, not a string/],
  ["a bare function as clock", { path, clock: Date.now }, /clock must be an object with now\(\)/],
  ["a wrong mode", { path, synchronous: "off" }, /synchronous must be "normal" or "full"/],
  ["a table prefix that is SQL", { path, tablePrefix: "a;b" }, /tablePrefix must be lower-case letters/],
  ["neither path nor database", {}, /either path or database/],
  ["an environment variable that is not set", { path: undefined }, /path is undefined: .* environment variable/],
  ["a database of another kind", { database: {} }, /database must be a Database of better-sqlite3/],
  ["a driver that it does not know", { path, driver: "sqlite3" }, /driver must be "better-sqlite3", "node:sqlite" or/],
  ["a wrong option of every store", { path, limits: { ttl: 60_000 } }, /limits\.ttl must be an object/],
])("an SQLite store refuses %s", (_, options, says) => {
  expect(refusal(() => new SqliteTaskStore(options))).toMatch(says);
});

test("an SQLite store refuses a path or file options beside a given database", () => {
  const database = new Database(path);
  onTestFinished(() => void database.close());
  expect(refusal(() => new SqliteTaskStore({ database, path }))).toMatch(/either path or database/);
  expect(refusal(() => new SqliteTaskStore({ database, busyTimeoutMs: 5 }))).toMatch(/busyTimeoutMs has no effect/);
  expect(refusal(() => new SqliteTaskStore({ database, driver: "node:sqlite" }))).toMatch(/driver has no effect/);
  expect(refusal(() => new SqliteTaskStore({ database, synchronous: "full" }))).toMatch(/synchronous has no effect/);
});

const KINDS =
  /database must be a Database of better-sqlite3, a DatabaseSync of node:sqlite, or a Database of bun:sqlite/;

test.each<[what: string, database: unknown]>([
  ["the Database class", Database],
  ["a path", path],
  [
    "a client whose calls return promises",
    { open: async () => undefined, prepare: async () => undefined, exec: async () => undefined },
  ],
  ["a pool of PostgreSQL", { query: () => undefined, connect: () => undefined, totalCount: 0 }],
])("an SQLite store and migrate refuse %s, and name what they take", (_, database) => {
  expect(refusal(() => new SqliteTaskStore({ database: database as never }))).toMatch(KINDS);
  expect(refusal(() => migrate(database as never))).toMatch(KINDS);
});

test("an SQLite store refuses a database that is closed", () => {
  const [closed, other] = [new Database(path), new DatabaseSync(path)];
  closed.close();
  other.close();
  expect(refusal(() => new SqliteTaskStore({ database: closed }))).toMatch(/, and open/);
  expect(refusal(() => new SqliteTaskStore({ database: other }))).toMatch(/, and open/);
});

test("migrate refuses a misspelt tablePrefix instead of migrating another one", () => {
  const database = new Database(path);
  onTestFinished(() => void database.close());
  expect(refusal(() => migrate(database, { tablePrefx: "other_" } as object))).toMatch(/did you mean "tablePrefix"/);
  expect(database.prepare("SELECT count(*) AS tables FROM sqlite_schema").get()).toEqual({ tables: 0 });
});

/** The open files of this process. */
const openFiles = () =>
  readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The descriptor of this listing is closed again.
      return "";
    }
  });

test.runIf(existsSync("/proc/self/fd")).each<[why: string, prepare: (database: Database.Database) => void]>([
  ["its tables are missing and it may not make them", () => undefined],
  [
    "its tables are of a newer version",
    (database) => void database.exec("CREATE TABLE mcp_migrations (version); INSERT INTO mcp_migrations VALUES (1000)"),
  ],
  ["a migration is refused", (database) => void database.exec("CREATE TABLE mcp_tasks (x)")],
])("a failed open leaves no file open when %s", async (why, prepare) => {
  const file = `${temporaryFolder()}/tasks.db`;
  const database = new Database(file);
  prepare(database);
  database.close();
  const store = new SqliteTaskStore({ path: file, migrate: !why.includes("may not") });
  await expect(store.createTask({}, 1, { method: "x" })).rejects.toThrow();
  expect(openFiles().filter((open) => open.startsWith(file))).toEqual([]);
  await store.close();
});
