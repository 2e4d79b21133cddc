import { isTaskStoreError } from "@mcp-task-store/core";
import { checkOptions, mismatch, realTime } from "@mcp-task-store/core/backend";
import { Connections, type Runner, type Transaction } from "./connection.ts";
import type { PgPool } from "./driver.ts";
import { isLockTimeout } from "./errors.ts";
import { migrations } from "./migrations.generated.ts";
import { DEFAULT_SCHEMA, namesOf, quoted } from "./names.ts";
import { postgresSettings, schemaCheck } from "./options.ts";
import { read } from "./statement.ts";

export interface MigrateOptions {
  /**
   * The database schema of the tables.
   * @default "mcp_tasks"
   */
  schema?: string | undefined;
}

/**
 * The version that this package reads and writes. The ledger has an addition under its negative
 * number, so that a package that knows only the versions before it goes on beside a newer one.
 */
export const SCHEMA_VERSION: number = migrations.length;

/** Longest time for a migration, and to wait for one that another process runs. */
const TIMEOUT_MS = 120_000;
/** Longest wait for a table that a transaction uses. Then the migration lets others pass first. */
const LOCK_MS = 2_000;

/**
 * Brings the tables of a database up to date, all or nothing. Any number of processes may run it at
 * once. A store runs it when it opens, unless its option `migrate` is `false`.
 * @returns the number of migrations that were applied
 * @throws TaskStoreError `SCHEMA_MISMATCH` if the tables are of a newer version of this package
 */
export async function migrate(pool: PgPool, options: MigrateOptions = {}): Promise<number> {
  checkOptions("migrate", options, { schema: schemaCheck });
  const settings = postgresSettings({ pool, schema: options.schema });
  return migrateWith(new Connections(settings), settings.schema);
}

export async function migrateWith(connections: Connections, schemaName: string): Promise<number> {
  // The usual case takes no lock.
  if ((await versionOf(connections, schemaName)) === SCHEMA_VERSION) return 0;
  return changingTables(connections, schemaName, (transaction) => migrateLocked(transaction, schemaName));
}

/** Creates indexes on the table of tasks that are missing, by name. */
export async function addIndexes(
  connections: Connections,
  schemaName: string,
  indexes: Readonly<Record<string, string>>,
): Promise<void> {
  const { tasks } = namesOf(schemaName);
  const missing = read<[schema: string, indexes: readonly string[]], { name: string }>(
    "missing_indexes",
    `SELECT name FROM unnest($2::text[]) AS name
      WHERE NOT EXISTS (SELECT FROM pg_indexes WHERE schemaname = $1 AND indexname = name)`,
  );
  const find = (runner: Runner) => runner.run(missing, schemaName, Object.keys(indexes));
  // The usual case takes no lock.
  if ((await find(connections)).length === 0) return;
  await changingTables(connections, schemaName, async (transaction) => {
    await transaction.command(`SET LOCAL lock_timeout = ${LOCK_MS}`);
    for (const { name } of await find(transaction))
      await transaction.command(`CREATE INDEX ${name} ON ${tasks} ${indexes[name]}`);
  });
}

/** Runs `change` in a transaction that holds a lock that only such changes of this schema take. */
async function changingTables<T>(
  connections: Connections,
  schemaName: string,
  change: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const lock = read<[string], never>("lock_migration", "SELECT pg_advisory_xact_lock(hashtextextended($1, 2))");
  const giveUpAt = realTime.now() + TIMEOUT_MS;
  for (;;) {
    try {
      return await connections.transaction(async (transaction) => {
        await transaction.command(`SET LOCAL statement_timeout = ${TIMEOUT_MS}`);
        await transaction.run(lock, JSON.stringify(["mcp-task-store migration", schemaName]));
        return change(transaction);
      }, TIMEOUT_MS);
    } catch (error) {
      if (!isTaskStoreError(error) || !isLockTimeout(error.cause) || realTime.now() > giveUpAt) throw error;
    }
  }
}

/**
 * The version of the tables, 0 if there are none.
 * @throws TaskStoreError `SCHEMA_MISMATCH` for a newer version
 */
export async function versionOf(runner: Runner, schemaName: string): Promise<number> {
  const { migrations: ledger } = namesOf(schemaName);
  const exists = read<[string], { exists: boolean }>("ledger", "SELECT to_regclass($1) IS NOT NULL AS exists");
  const [found] = await runner.run(exists, ledger);
  if (!found?.exists) return 0;
  const versions = read<[], { needed: number; version: number }>(
    "version",
    `SELECT coalesce(max(version), 0) AS needed, coalesce(max(abs(version)), 0) AS version FROM ${ledger}`,
  );
  const [{ needed, version } = { needed: 0, version: 0 }] = await runner.run(versions);
  if (needed > SCHEMA_VERSION)
    throw mismatch(
      `The database has version ${needed} of the tables, this package knows ${SCHEMA_VERSION}: update @mcp-task-store/postgres`,
    );
  // Additions of later packages change nothing for this one.
  return Math.min(version, SCHEMA_VERSION);
}

/** Tables and ledger change in one transaction. */
async function migrateLocked(transaction: Transaction, schemaName: string): Promise<number> {
  const schemaExists = read<[string], { exists: boolean }>(
    "schema",
    "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS exists",
  );
  // CREATE SCHEMA IF NOT EXISTS would need the privilege to create one even where there is one.
  const [found] = await transaction.run(schemaExists, schemaName);
  if (!found?.exists) await transaction.command(`CREATE SCHEMA ${quoted(schemaName)}`);
  // A migration that waits for a table holds up every call after it.
  await transaction.command(`SET LOCAL lock_timeout = ${LOCK_MS}`);
  const before = await versionOf(transaction, schemaName);
  for (const { sql } of migrations.slice(before)) await transaction.command(inSchema(sql, schemaName));
  return SCHEMA_VERSION - before;
}

function inSchema(sql: string, schemaName: string): string {
  return sql.replaceAll(new RegExp(`\\b${DEFAULT_SCHEMA}\\.`, "g"), () => `${quoted(schemaName)}.`);
}
