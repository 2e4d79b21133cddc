/** The part of a better-sqlite3 `Database` that the store uses. */
export interface BetterSqlite3Database {
  readonly memory: boolean;
  readonly inTransaction: boolean;
  prepare(sql: string): BetterSqlite3Statement;
  exec(sql: string): unknown;
  close(): unknown;
}

export interface BetterSqlite3Statement {
  run(...parameters: unknown[]): { changes: number };
  get(...parameters: unknown[]): unknown;
  all(...parameters: unknown[]): unknown[];
  safeIntegers(toggle?: boolean): unknown;
}

/** The part of a `DatabaseSync` of node:sqlite that the store uses. */
export interface NodeSqliteDatabase {
  /** Newer versions of Node have it. */
  readonly isTransaction?: boolean;
  prepare(sql: string): NodeSqliteStatement;
  exec(sql: string): unknown;
  createSession(options?: object): unknown;
  close(): unknown;
}

export interface NodeSqliteStatement {
  run(...parameters: unknown[]): { changes: number | bigint };
  get(...parameters: unknown[]): unknown;
  all(...parameters: unknown[]): unknown[];
  setReadBigInts(enabled: boolean): unknown;
  /** Newer versions of Node have it. */
  setReturnArrays?(enabled: boolean): unknown;
}

/** The part of a `Database` of bun:sqlite that the store uses. */
export interface BunSqliteDatabase {
  readonly filename: string;
  readonly inTransaction: boolean;
  prepare(sql: string): BunSqliteStatement;
  exec(sql: string): unknown;
  close(): unknown;
}

export interface BunSqliteStatement {
  run(...parameters: unknown[]): { changes: number };
  get(...parameters: unknown[]): unknown;
  all(...parameters: unknown[]): unknown[];
  finalize(): unknown;
  /** Newer versions of Bun have it. */
  safeIntegers?(toggle?: boolean): unknown;
}

/**
 * An open database: a `Database` of better-sqlite3, a `DatabaseSync` of node:sqlite, or a
 * `Database` of bun:sqlite. Pass your own as the `database` option.
 */
export type SqliteDatabase = BetterSqlite3Database | NodeSqliteDatabase | BunSqliteDatabase;

/** The package or the built-in module with which a store opens its `path`. */
export type SqliteDriver = "better-sqlite3" | "node:sqlite" | "bun:sqlite";
