/** The part of a better-sqlite3 `Statement` that the store uses. */
export interface SqliteStatement {
  run(...parameters: unknown[]): { changes: number; lastInsertRowid: number | bigint };
  get(...parameters: unknown[]): unknown;
  all(...parameters: unknown[]): unknown[];
  safeIntegers(toggle?: boolean): unknown;
}

/**
 * The part of a better-sqlite3 `Database` that the store uses. Pass your own as the `database`
 * option.
 */
export interface SqliteDatabase {
  readonly memory: boolean;
  readonly inTransaction: boolean;
  prepare(sql: string): SqliteStatement;
  exec(sql: string): unknown;
  close(): unknown;
}
