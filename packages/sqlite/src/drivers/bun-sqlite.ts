import type { Connection, Statement } from "../connection.ts";
import type { BunSqliteDatabase, BunSqliteStatement } from "../driver.ts";

/**
 * A connection by bun:sqlite. A closed database keeps its file open until the last statement is
 * finalized, so the connection finalizes each.
 */
export class BunSqliteConnection implements Connection {
  readonly driver = "bun:sqlite";
  readonly #database: BunSqliteDatabase;
  readonly #statements: BunSqliteStatement[] = [];

  constructor(database: BunSqliteDatabase) {
    this.#database = database;
  }

  get inTransaction(): boolean {
    return this.#database.inTransaction;
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  prepare<Parameters extends readonly unknown[], Row>(sql: string): Statement<Parameters, Row> {
    const statement = this.#prepare(sql);
    this.#statements.push(statement);
    return {
      run: (...parameters) => statement.run(...parameters).changes,
      get: (...parameters) => (statement.get(...parameters) as Row | null) ?? undefined,
      all: (...parameters) => statement.all(...parameters) as Row[],
    };
  }

  all<Row>(sql: string, parameters: readonly unknown[] = []): Row[] {
    const statement = this.#prepare(sql);
    try {
      return statement.all(...parameters) as Row[];
    } finally {
      statement.finalize();
    }
  }

  release(): void {
    for (const statement of this.#statements.splice(0)) statement.finalize();
  }

  close(): void {
    this.release();
    this.#database.close();
  }

  #prepare(sql: string): BunSqliteStatement {
    const statement = this.#database.prepare(sql);
    // A database of the application may return BigInt by default.
    statement.safeIntegers?.(false);
    return statement;
  }
}
