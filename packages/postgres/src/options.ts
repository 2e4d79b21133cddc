import { TaskStoreError } from "@mcp-task-store/core";
import type { PgPool } from "./pool.ts";
import { DEFAULT_SCHEMA } from "./schema.ts";

/** Where the tasks are. Give either `connectionString` or `pool`. */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; what is left out comes from the `PG*` environment variables. */
  connectionString?: string | undefined;
  /** A pool of `pg`. The store does not end it. While somebody waits for a change, one of its connections is kept for `LISTEN`. */
  pool?: PgPool | undefined;
  /** Most connections at once. Default 10. For `connectionString` only. */
  maxConnections?: number | undefined;
  /** The database schema with the store's tables, so that several stores share a database. Default `mcp_tasks`. */
  schema?: string | undefined;
  /** `false`: refuse to open unless `migrate` was run. Default `true`: create and update the tables on opening. */
  migrate?: boolean | undefined;
  /**
   * `false`: look for other processes' changes every `pollMs`, and take no connection for `LISTEN`. Default `true`: do so only
   * where `LISTEN` does not work, as behind a pooler in transaction mode, which is told to `onError`.
   */
  listen?: boolean | undefined;
  /** Milliseconds between looks for changes, while somebody waits for one and there is no `LISTEN`. Default 250. */
  pollMs?: number | undefined;
  /** Longest time in milliseconds to wait for a connection, after which a call rejects with `BACKEND_UNAVAILABLE`. Default 5,000. */
  connectTimeoutMs?: number | undefined;
  /**
   * Longest time in milliseconds for a statement, locks included, after which a call rejects with `BACKEND_UNAVAILABLE`.
   * Default 10,000. The server ends the statement by itself if the pool is the store's, or has a `statement_timeout`.
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
  readonly pollMs: number;
  readonly connectTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

/** @throws TaskStoreError `INVALID_ARGUMENT` for an option that cannot be right */
export function postgresSettings(options: PostgresOptions): PostgresSettings {
  const { connectionString, pool } = options;
  if ((connectionString === undefined) === (pool === undefined)) throw invalid("Give either connectionString or pool");
  if (connectionString !== undefined && (typeof connectionString !== "string" || connectionString.trim() === ""))
    throw invalid("connectionString must be the URL of a database");
  if (pool !== undefined && typeof pool.connect !== "function") throw invalid("pool must be a pool of pg");
  return Object.freeze({
    connectionString,
    pool,
    maxConnections: wholeNumber("maxConnections", options.maxConnections ?? 10, 1),
    schema: checkSchemaName(options.schema ?? DEFAULT_SCHEMA),
    migrate: options.migrate ?? true,
    listen: options.listen ?? true,
    pollMs: wholeNumber("pollMs", options.pollMs ?? 250, 1),
    connectTimeoutMs: wholeNumber("connectTimeoutMs", options.connectTimeoutMs ?? 5000, 1),
    statementTimeoutMs: wholeNumber("statementTimeoutMs", options.statementTimeoutMs ?? 10_000, 1),
  });
}

function checkSchemaName(name: string): string {
  if (typeof name !== "string" || !name.isWellFormed() || name.includes("\0")) throw invalid("schema must be a name");
  const bytes = Buffer.byteLength(name);
  if (bytes < 1 || bytes > 63) throw invalid("schema must be a name of 1 to 63 bytes");
  return name;
}

function wholeNumber(name: string, value: number, min: number): number {
  // With room for what is added to a time: a timer above 2^31 ms would fire at once.
  if (!Number.isInteger(value) || value < min || value > 2e9)
    throw invalid(`${name} must be a whole number from ${min} to 2000000000`);
  return value;
}

function invalid(message: string): TaskStoreError {
  return new TaskStoreError("INVALID_ARGUMENT", message);
}
