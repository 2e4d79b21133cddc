import { TaskStoreError } from "@mcp-task-store/core";
import { prepare, type SqliteDatabase } from "./database.ts";
import { inForeignTransaction, mismatch, toStoreError } from "./errors.ts";
import { migrations } from "./migrations.generated.ts";
import { DEFAULT_NAMESPACE } from "./schema.ts";

export interface MigrateOptions {
  /** Prefix of the tables. Default `mcp_`. */
  namespace?: string | undefined;
}

/** The version that this package reads and writes. */
export const SCHEMA_VERSION: number = migrations.length;

/**
 * Brings the tables of a database up to date, all or nothing; safe to run in any number of processes at once. Stores do
 * this by themselves when they open, unless they are told not to.
 * @returns how many migrations were applied
 * @throws TaskStoreError `SCHEMA_MISMATCH` when the tables are of a newer version of this package
 */
export function migrate(database: SqliteDatabase, options: MigrateOptions = {}): number {
  const namespace = checkNamespace(options.namespace ?? DEFAULT_NAMESPACE);
  if (database.inTransaction) throw inForeignTransaction();
  try {
    // The usual case takes no lock.
    return versionOf(database, namespace) === SCHEMA_VERSION ? 0 : migrateLocked(database, namespace);
  } catch (error) {
    throw toStoreError(error);
  }
}

/** The version of the tables, 0 when there are none. @throws TaskStoreError `SCHEMA_MISMATCH` for a newer one */
export function versionOf(database: SqliteDatabase, namespace: string): number {
  const ledger = `${namespace}migrations`;
  const tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ?";
  if (!prepare<[string], { name: string }>(database, tables).get(ledger)) return 0;
  const newest = `SELECT ifnull(max(version), 0) AS version FROM ${ledger}`;
  const { version } = prepare<[], { version: number }>(database, newest).get() ?? { version: 0 };
  if (version > SCHEMA_VERSION)
    throw mismatch(
      `The database has version ${version} of the tables, this package knows ${SCHEMA_VERSION}: update @mcp-task-store/sqlite`,
    );
  return version;
}

export function checkNamespace(namespace: string): string {
  if (typeof namespace !== "string" || !/^[a-z_][a-z0-9_]{0,62}$/.test(namespace) || namespace.startsWith("sqlite_"))
    throw new TaskStoreError(
      "INVALID_ARGUMENT",
      "namespace must be lower-case letters, digits and underscores, and not begin with a digit or sqlite_",
    );
  return namespace;
}

/** Tables and ledger change in one transaction, which holds the write lock from its start. */
function migrateLocked(database: SqliteDatabase, namespace: string): number {
  database.exec("BEGIN IMMEDIATE");
  try {
    const ledger = `${namespace}migrations`;
    const before = versionOf(database, namespace);
    database.exec(
      `CREATE TABLE IF NOT EXISTS ${ledger} (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL)`,
    );
    const record = prepare<[number, string, number]>(database, `INSERT INTO ${ledger} VALUES (?, ?, ?)`);
    for (const { version, name, sql } of migrations.slice(before)) {
      database.exec(sql.replaceAll(/\bmcp_/g, namespace));
      record.run(version, name, Date.now());
    }
    database.exec("COMMIT");
    return SCHEMA_VERSION - before;
  } catch (error) {
    // SQLite ends the transaction by itself after some failures.
    if (database.inTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
