import { TaskStoreError } from "@mcp-task-store/core";
import { unavailable } from "@mcp-task-store/core/backend";
import type { Connection } from "./connection.ts";
import type {
  BetterSqlite3Database,
  BunSqliteDatabase,
  NodeSqliteDatabase,
  SqliteDatabase,
  SqliteDriver,
} from "./driver.ts";
import { BetterSqlite3Connection } from "./drivers/better-sqlite3.ts";
import { BunSqliteConnection } from "./drivers/bun-sqlite.ts";
import { NodeSqliteConnection } from "./drivers/node-sqlite.ts";

// On an older Node, better-sqlite3's addon crashes the process at the first call (segmentation
// fault).
const NODE_API = 10;
if (Number(process.versions["napi"]) < NODE_API)
  throw new Error(
    `@mcp-task-store/sqlite needs Node 22.14 or newer, for Node-API ${NODE_API}: this is Node ${process.versions.node}, with Node-API ${process.versions["napi"]}`,
  );

/** What `database` has to be, for messages. */
export const KINDS_OF_DATABASE =
  "a Database of better-sqlite3, a DatabaseSync of node:sqlite, or a Database of bun:sqlite";

/**
 * A connection over the application's database. Its driver is known by its members.
 * @throws TaskStoreError `INVALID_ARGUMENT` if it is none of a known driver
 */
export function connectionTo(database: SqliteDatabase): Connection {
  switch (driverOf(database)) {
    case "better-sqlite3":
      return new BetterSqlite3Connection(database as BetterSqlite3Database);
    case "node:sqlite":
      return new NodeSqliteConnection(database as NodeSqliteDatabase);
    case "bun:sqlite":
      return new BunSqliteConnection(database as BunSqliteDatabase);
    default:
      throw new TaskStoreError("INVALID_ARGUMENT", `The database must be ${KINDS_OF_DATABASE}`);
  }
}

/** Drivers whose methods return promises are not among them. */
export function driverOf(database: unknown): SqliteDriver | undefined {
  if (typeof database !== "object" || database === null) return undefined;
  const { prepare, exec, memory, filename, createSession, inTransaction } = database as Record<string, unknown>;
  if (typeof prepare !== "function" || typeof exec !== "function") return undefined;
  if (typeof createSession === "function") return "node:sqlite";
  if (typeof inTransaction !== "boolean") return undefined;
  if (typeof memory === "boolean") return "better-sqlite3";
  return typeof filename === "string" ? "bun:sqlite" : undefined;
}

/**
 * Opens a file by this driver. Without one, Bun and Deno take their own, and Node takes
 * better-sqlite3 if it is installed, and otherwise its own.
 * @throws TaskStoreError `BACKEND_UNAVAILABLE` if the driver is missing, with what to install
 */
export async function openFile(
  path: string,
  driver: SqliteDriver | undefined,
  busyTimeoutMs: number,
): Promise<Connection> {
  const own = process.versions["bun"] ? "bun:sqlite" : "node:sqlite";
  const onNode = !process.versions["bun"] && !process.versions["deno"];
  if (driver === "better-sqlite3" || (driver === undefined && onNode)) {
    const Database = await betterSqlite3(driver !== undefined);
    if (Database) return new BetterSqlite3Connection(new Database(path, { timeout: busyTimeoutMs }));
  }
  const database = openBuiltIn(path, driver === "bun:sqlite" || driver === "node:sqlite" ? driver : own);
  const connection = connectionTo(database);
  // Not every version of these has an option for it.
  connection.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
  return connection;
}

/** The class of better-sqlite3, or `undefined` if it is not installed and not needed. */
async function betterSqlite3(needed: boolean) {
  try {
    const { default: Database } = await import("better-sqlite3");
    // Only a first database loads the addon.
    new Database(":memory:").close();
    return Database;
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string };
    const missing = /^(ERR_)?MODULE_NOT_FOUND$/.test(String(code)) && message.includes("better-sqlite3");
    if (!missing)
      throw unavailable(
        'better-sqlite3 cannot be loaded: install it again for this platform and this version of the runtime, or give the option driver: "node:sqlite"',
        error,
      );
    if (needed) throw unavailable("The store needs a driver for SQLite: npm install better-sqlite3", error);
    return undefined;
  }
}

function openBuiltIn(path: string, driver: "node:sqlite" | "bun:sqlite"): SqliteDatabase {
  const module = process.getBuiltinModule(driver) as
    | { DatabaseSync?: new (path: string) => NodeSqliteDatabase; Database?: new (path: string) => BunSqliteDatabase }
    | undefined;
  const Database = driver === "bun:sqlite" ? module?.Database : module?.DatabaseSync;
  if (!Database)
    throw unavailable(
      `This runtime has no ${driver}: npm install better-sqlite3, or give the option driver a driver that it has`,
    );
  return new Database(path);
}

/**
 * Configures a database that the store opens itself. WAL lets readers and one writer work at the
 * same time. It is a property of the file. SQLite works without it on file systems that do not
 * support it.
 */
export function configure(database: Connection, synchronous: "normal" | "full"): void {
  // A database in memory keeps its own mode.
  database.exec("PRAGMA journal_mode = WAL");
  // Four times SQLite's default, so that checkpoints are rarer. The log takes 16 MB. (At the
  // default, checkpoints took 10 % of the writing time.)
  database.exec("PRAGMA wal_autocheckpoint = 4000");
  database.exec(`PRAGMA synchronous = ${synchronous === "full" ? "FULL" : "NORMAL"}`);
}
