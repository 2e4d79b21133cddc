import Database from "better-sqlite3";

/** The part of a better-sqlite3 `Statement` that the store uses. */
export interface SqliteStatement {
  run(...parameters: unknown[]): { changes: number; lastInsertRowid: number | bigint };
  get(...parameters: unknown[]): unknown;
  all(...parameters: unknown[]): unknown[];
  safeIntegers(toggle?: boolean): unknown;
}

/** The part of a better-sqlite3 `Database` that the store uses: pass one of your own as the `database` option. */
export interface SqliteDatabase {
  readonly memory: boolean;
  readonly inTransaction: boolean;
  prepare(sql: string): SqliteStatement;
  exec(sql: string): unknown;
  close(): unknown;
}

/** A prepared statement with its parameters by position and its rows. */
export interface Statement<Parameters extends readonly unknown[], Row> {
  /** Returns how many rows were changed. */
  run(...parameters: Parameters): number;
  /** For reads only: better-sqlite3 does not report a failure that comes after the first row. */
  get(...parameters: Parameters): Row | undefined;
  all(...parameters: Parameters): Row[];
}

export function prepare<Parameters extends readonly unknown[], Row = never>(
  database: SqliteDatabase,
  sql: string,
): Statement<Parameters, Row> {
  const statement = database.prepare(sql);
  // Numbers also from a database whose own default is BigInt: all of ours are safe integers.
  if (/^\s*(select|pragma)|returning/i.test(sql)) statement.safeIntegers(false);
  return {
    run: (...parameters) => statement.run(...parameters).changes,
    get: (...parameters) => statement.get(...parameters) as Row | undefined,
    all: (...parameters) => statement.all(...parameters) as Row[],
  };
}

export function openDatabase(path: string, busyTimeoutMs: number): SqliteDatabase {
  return new Database(path, { timeout: busyTimeoutMs });
}

/**
 * How a database of our own is used. WAL lets readers and one writer work at the same time, and is a property of the
 * file; SQLite may refuse it on a file system that cannot do it, and then works without.
 */
export function configure(database: SqliteDatabase, synchronous: "normal" | "full"): void {
  if (!database.memory) database.exec("PRAGMA journal_mode = WAL");
  // Four times SQLite's default: with it, moving the log into the file took a tenth of the time of writing. The log takes 16 MB.
  database.exec("PRAGMA wal_autocheckpoint = 4000");
  database.exec(`PRAGMA synchronous = ${synchronous === "full" ? "FULL" : "NORMAL"}`);
}
