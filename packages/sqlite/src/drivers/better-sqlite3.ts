import type { Connection, Statement } from "../connection.ts";
import type { BetterSqlite3Database, BetterSqlite3Statement } from "../driver.ts";

/** A connection by better-sqlite3. */
export class BetterSqlite3Connection implements Connection {
  readonly driver = "better-sqlite3";
  readonly #database: BetterSqlite3Database;

  constructor(database: BetterSqlite3Database) {
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
    return {
      run: (...parameters) => statement.run(...parameters).changes,
      get: (...parameters) => statement.get(...parameters) as Row | undefined,
      all: (...parameters) => statement.all(...parameters) as Row[],
    };
  }

  all<Row>(sql: string, parameters: readonly unknown[] = []): Row[] {
    return this.#prepare(sql).all(...parameters) as Row[];
  }

  /** Statements go with their garbage. */
  release(): void {}

  close(): void {
    this.#database.close();
  }

  #prepare(sql: string): BetterSqlite3Statement {
    const statement = this.#database.prepare(sql);
    // A database of the application may return BigInt by default. A statement without rows refuses
    // the call.
    if (/^\s*(select|pragma)|returning/i.test(sql)) statement.safeIntegers(false);
    return statement;
  }
}
