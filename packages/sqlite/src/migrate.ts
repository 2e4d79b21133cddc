import { checkOptions, mismatch } from "@mcp-task-store/core/backend";
import type { Connection } from "./connection.ts";
import type { SqliteDatabase } from "./driver.ts";
import { inForeignTransaction, toStoreError } from "./errors.ts";
import { migrations } from "./migrations.generated.ts";
import { DEFAULT_TABLE_PREFIX } from "./names.ts";
import { connectionTo } from "./open.ts";
import { tablePrefixCheck } from "./options.ts";

export interface MigrateOptions {
  /**
   * Prefix of the table names.
   * @default "mcp_"
   */
  tablePrefix?: string | undefined;
}

/** The version that this package reads and writes. */
export const SCHEMA_VERSION: number = migrations.length;

/**
 * Brings the tables of a database up to date, all or nothing. Any number of processes may run it at
 * once. A store runs it when it opens, unless its option `migrate` is `false`.
 * @returns the number of migrations that were applied
 * @throws TaskStoreError `SCHEMA_MISMATCH` if the tables are of a newer version of this package
 */
export function migrate(database: SqliteDatabase, options: MigrateOptions = {}): number {
  checkOptions("migrate", options, { tablePrefix: tablePrefixCheck });
  const connection = connectionTo(database);
  try {
    return migrateBy(connection, options.tablePrefix ?? DEFAULT_TABLE_PREFIX);
  } catch (error) {
    throw toStoreError(error);
  } finally {
    connection.release();
  }
}

/** Like `migrate`, but throws the driver's errors. */
export function migrateBy(database: Connection, tablePrefix: string): number {
  if (database.inTransaction) throw inForeignTransaction();
  // The usual case takes no lock.
  return versionOf(database, tablePrefix) === SCHEMA_VERSION ? 0 : migrateLocked(database, tablePrefix);
}

/**
 * The version of the tables, 0 if there are none. The ledger has an addition under its negative
 * number: a package that does not know it works beside one that does.
 * @throws TaskStoreError `SCHEMA_MISMATCH` for a newer version
 */
export function versionOf(database: Connection, tablePrefix: string): number {
  const ledger = `${tablePrefix}migrations`;
  const tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ?";
  if (database.all(tables, [ledger]).length === 0) return 0;
  const applied = database.all<{ version: number }>(`SELECT version FROM ${ledger}`).map(({ version }) => version);
  const newest = Math.max(0, ...applied);
  if (newest > SCHEMA_VERSION)
    throw mismatch(
      `The database has version ${newest} of the tables, this package knows ${SCHEMA_VERSION}: update @mcp-task-store/sqlite`,
    );
  return Math.max(0, ...applied.map(Math.abs).filter((version) => version <= SCHEMA_VERSION));
}

/** Tables and ledger change in one transaction, which holds the write lock from its start. */
function migrateLocked(database: Connection, tablePrefix: string): number {
  database.exec("BEGIN IMMEDIATE");
  try {
    const ledger = `${tablePrefix}migrations`;
    const before = versionOf(database, tablePrefix);
    database.exec(
      `CREATE TABLE IF NOT EXISTS ${ledger} (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL)`,
    );
    const record = database.prepare<[number, string, number]>(`INSERT INTO ${ledger} VALUES (?, ?, ?)`);
    for (const { version, name, sql } of migrations.slice(before)) {
      database.exec(sql.replaceAll(/\bmcp_/g, tablePrefix));
      record.run(version, name, Date.now());
    }
    database.exec("COMMIT");
    return SCHEMA_VERSION - before;
  } catch (error) {
    // After some failures SQLite has already rolled back.
    if (database.inTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
