import type { SqliteDriver } from "./driver.ts";

/** A prepared statement with its parameters by position and its rows. */
export interface Statement<Parameters extends readonly unknown[], Row> {
  /** Returns the number of changed rows. */
  run(...parameters: Parameters): number;
  /** For reads only: better-sqlite3 does not report a failure after the first row. */
  get(...parameters: Parameters): Row | undefined;
  all(...parameters: Parameters): Row[];
}

/**
 * One connection to a database: all that the store asks of a driver. `drivers/` has a file for each
 * driver. Integers are numbers, because all of the store's are safe.
 */
export interface Connection {
  readonly driver: SqliteDriver;
  readonly inTransaction: boolean;
  /** Runs statements without parameters and rows. */
  exec(sql: string): void;
  /** Prepares a statement that the connection keeps until `release`. */
  prepare<Parameters extends readonly unknown[], Row = never>(sql: string): Statement<Parameters, Row>;
  /** Prepares a reading statement, runs it once and forgets it. */
  all<Row>(sql: string, parameters?: readonly unknown[]): Row[];
  /** Forgets the prepared statements. The database stays open. */
  release(): void;
  /** Closes the database. */
  close(): void;
}

/** The absolute path of the database file; empty for a database in memory. */
export function fileOf(connection: Connection): string {
  const databases = connection.all<{ name: string; file: string | null }>("PRAGMA database_list");
  return databases.find(({ name }) => name === "main")?.file ?? "";
}
