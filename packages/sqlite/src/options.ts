import { TaskStoreError } from "@mcp-task-store/core";
import type { SqliteDatabase } from "./database.ts";
import { checkNamespace } from "./migrate.ts";
import { DEFAULT_NAMESPACE } from "./schema.ts";

/** Where the tasks are, and how they are written. Give either `path` or `database`. */
export interface SqliteOptions {
  /** File of the database, made if it does not exist, in a folder that does. `:memory:` keeps the tasks in this store alone. */
  path?: string | undefined;
  /** An open better-sqlite3 database. The store does not close it, and leaves its journal mode and pragmas as they are. */
  database?: SqliteDatabase | undefined;
  /**
   * What an acknowledged write survives: `normal` (default) the end of the process in any way; `full` a power cut as
   * well, at the cost of an fsync for each write. For `path` only.
   */
  synchronous?: "normal" | "full" | undefined;
  /**
   * Longest time in milliseconds that a call waits while another connection writes, after which it rejects with
   * `BACKEND_UNAVAILABLE`. The event loop waits with it. Default 5,000. For `path` only.
   */
  busyTimeoutMs?: number | undefined;
  /** Milliseconds between looks for changes made by other processes, while somebody waits for one. Default 25. */
  pollMs?: number | undefined;
  /** Prefix of the tables, so that several stores share a database. Default `mcp_`. */
  namespace?: string | undefined;
  /** `false`: refuse to open unless `migrate` was run. Default `true`: create and update the tables on opening. */
  migrate?: boolean | undefined;
  /** The clock of expiry and leases, in milliseconds since the epoch. Default `Date`. */
  clock?: { now(): number } | undefined;
}

/** The options with every default in place. */
export interface SqliteSettings {
  readonly path: string | undefined;
  readonly database: SqliteDatabase | undefined;
  readonly synchronous: "normal" | "full";
  readonly busyTimeoutMs: number;
  readonly pollMs: number;
  readonly namespace: string;
  readonly migrate: boolean;
  readonly clock: { now(): number };
}

/** @throws TaskStoreError `INVALID_ARGUMENT` for an option that cannot be right */
export function sqliteSettings(options: SqliteOptions): SqliteSettings {
  const { path, database, synchronous = "normal" } = options;
  if ((path === undefined) === (database === undefined)) throw invalid("Give either path or database");
  if (path !== undefined && (typeof path !== "string" || path.trim() === ""))
    throw invalid("path must be the name of a file, or :memory:");
  if (synchronous !== "normal" && synchronous !== "full") throw invalid('synchronous must be "normal" or "full"');
  return Object.freeze({
    path,
    database,
    synchronous,
    busyTimeoutMs: milliseconds("busyTimeoutMs", options.busyTimeoutMs ?? 5000, 0),
    pollMs: milliseconds("pollMs", options.pollMs ?? 25, 1),
    namespace: checkNamespace(options.namespace ?? DEFAULT_NAMESPACE),
    migrate: options.migrate ?? true,
    clock: options.clock ?? Date,
  });
}

function milliseconds(name: string, value: number, min: number): number {
  if (!Number.isInteger(value) || value < min || value >= 2 ** 31)
    throw invalid(`${name} must be a whole number from ${min} to 2147483647`);
  return value;
}

function invalid(message: string): TaskStoreError {
  return new TaskStoreError("INVALID_ARGUMENT", message);
}
