import {
  checkBeside,
  checkEither,
  checkOptions,
  checks,
  type OptionCheck,
  type OptionTable,
} from "@mcp-task-store/core/backend";
import { fileOf } from "./connection.ts";
import type { SqliteDatabase, SqliteDriver } from "./driver.ts";
import { DEFAULT_TABLE_PREFIX } from "./names.ts";
import { connectionTo, driverOf, KINDS_OF_DATABASE } from "./open.ts";

/** Where the tasks are, and how the store writes them. Give either `path` or `database`. */
export interface SqliteOptions {
  /**
   * The database file. The store creates it if it does not exist; its folder must exist.
   * `:memory:` keeps the tasks in the memory of this store.
   */
  path?: string | undefined;
  /**
   * An open database: a `Database` of better-sqlite3, a `DatabaseSync` of node:sqlite, or a
   * `Database` of bun:sqlite. The store does not close it, and leaves its journal mode and pragmas
   * as they are.
   */
  database?: SqliteDatabase | undefined;
  /**
   * The driver that opens `path`. Refused beside `database`.
   * @default on Node better-sqlite3, or node:sqlite if better-sqlite3 is not installed; on Deno
   * node:sqlite; on Bun bun:sqlite
   */
  driver?: SqliteDriver | undefined;
  /**
   * What an acknowledged write survives. `normal`: the process ends in any way, `kill -9` included.
   * `full`: also a power cut, at the cost of an fsync for each commit. Refused beside `database`.
   * @default "normal"
   */
  synchronous?: "normal" | "full" | undefined;
  /**
   * Longest time in milliseconds that a call waits while another connection writes. The event loop
   * is blocked during the wait. After that time the call rejects with `BACKEND_UNAVAILABLE`.
   * Refused beside `database`.
   * @default 5000
   */
  busyTimeoutMs?: number | undefined;
  /**
   * Milliseconds between polls for changes by other processes. The store polls only while a call
   * waits or a subscription is open.
   * @default 25
   */
  changePollMs?: number | undefined;
  /**
   * Prefix of the table names. Stores with different prefixes can share a database.
   * @default "mcp_"
   */
  tablePrefix?: string | undefined;
  /**
   * `true`: the store creates and updates its tables when it opens. `false`: it opens only if
   * `migrate()` was run, and otherwise calls reject with `SCHEMA_MISMATCH`.
   * @default true
   */
  migrate?: boolean | undefined;
  /**
   * The clock of expiry and leases, in milliseconds since the epoch.
   * @default Date
   */
  clock?: { now(): number } | undefined;
}

/** The options with every default in place. */
export interface SqliteSettings {
  readonly path: string | undefined;
  readonly database: SqliteDatabase | undefined;
  readonly driver: SqliteDriver | undefined;
  readonly synchronous: "normal" | "full";
  readonly busyTimeoutMs: number;
  readonly changePollMs: number;
  readonly tablePrefix: string;
  readonly migrate: boolean;
  readonly clock: { now(): number };
}

const databaseCheck: OptionCheck = (value) => {
  if (driverOf(value) === undefined) return `${KINDS_OF_DATABASE}: open one, or give the path of the file instead`;
  try {
    fileOf(connectionTo(value as SqliteDatabase));
    return undefined;
  } catch {
    return `${KINDS_OF_DATABASE}, and open`;
  }
};

export const tablePrefixCheck: OptionCheck = (value) =>
  typeof value === "string" && /^[a-z_][a-z0-9_]{0,62}$/.test(value) && !value.startsWith("sqlite_")
    ? undefined
    : "lower-case letters, digits and underscores, and not begin with a digit or sqlite_";

export const SQLITE_OPTIONS: OptionTable<SqliteOptions> = {
  path: checks.text,
  database: databaseCheck,
  driver: checks.oneOf("better-sqlite3", "node:sqlite", "bun:sqlite"),
  synchronous: checks.oneOf("normal", "full"),
  busyTimeoutMs: checks.milliseconds(0),
  changePollMs: checks.milliseconds(1),
  tablePrefix: tablePrefixCheck,
  migrate: checks.flag,
  clock: checks.clock,
};

/** @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or a wrong value */
export function sqliteSettings(options: SqliteOptions): SqliteSettings {
  checkOptions("The SQLite backend", options, SQLITE_OPTIONS);
  checkEither(options, "path", "database");
  checkBeside(options, "database", ["driver", "synchronous", "busyTimeoutMs"]);
  return Object.freeze({
    path: options.path,
    database: options.database,
    driver: options.driver,
    synchronous: options.synchronous ?? "normal",
    busyTimeoutMs: options.busyTimeoutMs ?? 5000,
    changePollMs: options.changePollMs ?? 25,
    tablePrefix: options.tablePrefix ?? DEFAULT_TABLE_PREFIX,
    migrate: options.migrate ?? true,
    clock: options.clock ?? { now: () => Date.now() },
  });
}
