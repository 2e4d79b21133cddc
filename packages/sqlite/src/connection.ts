import type { SqliteDatabase } from "./driver.ts";

/** A prepared statement with its parameters by position and its rows. */
export interface Statement<Parameters extends readonly unknown[], Row> {
  /** Returns the number of changed rows. */
  run(...parameters: Parameters): number;
  /** For reads only: better-sqlite3 does not report a failure after the first row. */
  get(...parameters: Parameters): Row | undefined;
  all(...parameters: Parameters): Row[];
}

export function prepare<Parameters extends readonly unknown[], Row = never>(
  database: SqliteDatabase,
  sql: string,
): Statement<Parameters, Row> {
  const statement = database.prepare(sql);
  // A database of the application may return BigInt by default. All integers here are safe.
  if (/^\s*(select|pragma)|returning/i.test(sql)) statement.safeIntegers(false);
  return {
    run: (...parameters) => statement.run(...parameters).changes,
    get: (...parameters) => statement.get(...parameters) as Row | undefined,
    all: (...parameters) => statement.all(...parameters) as Row[],
  };
}
