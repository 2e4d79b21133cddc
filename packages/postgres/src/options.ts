import { TaskStoreError } from "@mcp-task-store/core";
import {
  checkBeside,
  checkEither,
  checkOptions,
  checks,
  type OptionCheck,
  type OptionTable,
} from "@mcp-task-store/core/backend";
import type { PgPool } from "./driver.ts";
import { DEFAULT_SCHEMA } from "./names.ts";

/** Where the tasks are. Give either `connectionString` or `pool`. */
export interface PostgresOptions {
  /**
   * `postgres://user:password@host:port/database`. Parts that it leaves out come from the `PG*`
   * environment variables.
   */
  connectionString?: string | undefined;
  /**
   * A pool of `pg`. The store does not end it. While a call waits or a subscription is open, the
   * store keeps one of its connections for `LISTEN`.
   */
  pool?: PgPool | undefined;
  /**
   * Most connections of the store's own pool. Refused beside `pool`.
   * @default 10
   */
  maxConnections?: number | undefined;
  /**
   * The database schema of the store's tables. Stores with different schemas can share a database.
   * @default "mcp_tasks"
   */
  schema?: string | undefined;
  /**
   * `true`: the store creates and updates its tables when it opens. `false`: it opens only if
   * `migrate()` was run, and otherwise calls reject with `SCHEMA_MISMATCH`.
   * @default true
   */
  migrate?: boolean | undefined;
  /**
   * `true`: the store learns of other processes' changes by `LISTEN`, which takes a connection. If
   * `LISTEN` does not work, as behind a pooler in transaction mode, the store tells `onError` and
   * polls. `false`: it always polls.
   * @default true
   */
  listen?: boolean | undefined;
  /**
   * The database's own address for `LISTEN`, if `connectionString` or `pool` lead to a pooler in
   * transaction mode, such as PgBouncer, Supabase's or Neon's. Everything else goes through the
   * pooler.
   */
  listenConnectionString?: string | undefined;
  /**
   * A pool of connections for `LISTEN`, instead of `listenConnectionString`. The store does not end
   * it.
   */
  listenPool?: PgPool | undefined;
  /**
   * Milliseconds between polls for changes by other processes. The store polls only while a call
   * waits or a subscription is open, and `LISTEN` is off or does not work.
   * @default 250
   */
  changePollMs?: number | undefined;
  /**
   * Longest time in milliseconds that a call waits for a connection. After that it rejects with
   * `BACKEND_UNAVAILABLE`.
   * @default 5000
   */
  connectTimeoutMs?: number | undefined;
  /**
   * Longest time in milliseconds for a statement, with the locks that it waits for. After that the
   * call rejects with `BACKEND_UNAVAILABLE`. The server ends the statement too if the pool is the
   * store's own, or has a `statement_timeout`.
   * @default 10000
   */
  statementTimeoutMs?: number | undefined;
}

/** The options with every default in place. */
export interface PostgresSettings {
  readonly connectionString: string | undefined;
  readonly pool: PgPool | undefined;
  readonly maxConnections: number;
  readonly schema: string;
  readonly migrate: boolean;
  readonly listen: boolean;
  readonly listenConnectionString: string | undefined;
  readonly listenPool: PgPool | undefined;
  readonly changePollMs: number;
  readonly connectTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

/** Clients have `connect` like pools. The check recognises clients by methods that pools lack. */
const poolCheck: OptionCheck = (value) => {
  const pool = (value ?? {}) as {
    [name in
      | "connect"
      | "escapeIdentifier"
      | "release"
      | "ending"
      | "$pool"
      | "onNotification"
      | "unsafe"
      | "$client"]?: unknown;
  };
  if (typeof pool.onNotification === "function")
    return "a Pool of pg: give pglitePool(database) for this PGlite database";
  if (typeof pool.unsafe === "function")
    return "a Pool of pg: this is the sql function of postgres.js, which has another shape";
  if (pool.$client !== undefined) return "a Pool of pg: give the $client of this drizzle database, if it is one";
  if (typeof pool !== "object" || typeof pool.connect !== "function") return "a Pool of pg";
  if (typeof pool.escapeIdentifier === "function" || typeof pool.release === "function")
    return "a Pool of pg, which gives out a connection for each call: this is a single Client";
  if (pool.$pool !== undefined) return "a Pool of pg: give the $pool of this pg-promise database";
  return pool.ending === true ? "a Pool of pg that was not ended" : undefined;
};

export const schemaCheck: OptionCheck = (value) => {
  const name = typeof value === "string" && value.isWellFormed() && !value.includes("\0") ? value : "";
  const bytes = Buffer.byteLength(name);
  return bytes >= 1 && bytes <= 63 ? undefined : "a name of 1 to 63 bytes";
};

export const POSTGRES_OPTIONS: OptionTable<PostgresOptions> = {
  connectionString: checks.text,
  pool: poolCheck,
  maxConnections: checks.whole(1),
  schema: schemaCheck,
  migrate: checks.flag,
  listen: checks.flag,
  listenConnectionString: checks.text,
  listenPool: poolCheck,
  changePollMs: checks.milliseconds(1),
  connectTimeoutMs: checks.milliseconds(1),
  statementTimeoutMs: checks.milliseconds(1),
};

/** @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or a wrong value */
export function postgresSettings(options: PostgresOptions): PostgresSettings {
  checkOptions("The PostgreSQL backend", options, POSTGRES_OPTIONS);
  checkEither(options, "connectionString", "pool");
  checkBeside(options, "pool", ["maxConnections"]);
  checkBeside(options, "listenPool", ["listenConnectionString"]);
  if (options.listen === false)
    for (const name of ["listenConnectionString", "listenPool"] as const)
      if (options[name] !== undefined)
        throw new TaskStoreError(
          "INVALID_ARGUMENT",
          `${name} has no effect beside listen: false: leave one of them out`,
        );
  return Object.freeze({
    connectionString: options.connectionString,
    pool: options.pool,
    maxConnections: options.maxConnections ?? 10,
    schema: options.schema ?? DEFAULT_SCHEMA,
    migrate: options.migrate ?? true,
    listen: options.listen ?? true,
    listenConnectionString: options.listenConnectionString,
    listenPool: options.listenPool,
    changePollMs: options.changePollMs ?? 250,
    connectTimeoutMs: options.connectTimeoutMs ?? 5000,
    statementTimeoutMs: options.statementTimeoutMs ?? 10_000,
  });
}
