import type { Connection, Statement } from "../connection.ts";
import type { NodeSqliteDatabase, NodeSqliteStatement } from "../driver.ts";

/** A connection by node:sqlite, of Node or Deno. */
export class NodeSqliteConnection implements Connection {
  readonly driver = "node:sqlite";
  readonly #database: NodeSqliteDatabase;

  constructor(database: NodeSqliteDatabase) {
    this.#database = database;
  }

  get inTransaction(): boolean {
    return this.#database.isTransaction ?? this.#refusesBegin();
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  prepare<Parameters extends readonly unknown[], Row>(sql: string): Statement<Parameters, Row> {
    const statement = this.#prepare(sql);
    return {
      run: (...parameters) => Number(statement.run(...parameters).changes),
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

  #prepare(sql: string): NodeSqliteStatement {
    const statement = this.#database.prepare(sql);
    // A database of the application may have other defaults.
    statement.setReadBigInts(false);
    statement.setReturnArrays?.(false);
    return statement;
  }

  /** A deferred transaction takes no lock, and cannot begin within another one. */
  #refusesBegin(): boolean {
    try {
      this.#database.exec("BEGIN");
    } catch (error) {
      if (error instanceof Error && error.message.includes("within a transaction")) return true;
      throw error;
    }
    this.#database.exec("ROLLBACK");
    return false;
  }
}
