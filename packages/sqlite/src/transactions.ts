import { Batches } from "@mcp-task-store/core/backend";
import type { Connection, Statement } from "./connection.ts";
import { inForeignTransaction } from "./errors.ts";

interface Pending {
  readonly change: () => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The writes of one connection. Writes made in one turn share a transaction, and so one commit and
 * one sync of the disk. Each still succeeds or fails alone, and none is acknowledged before the
 * commit.
 */
export class Transactions {
  readonly #database: Connection;
  readonly #begin: Statement<[], never>;
  readonly #commit: Statement<[], never>;
  readonly #rollback: Statement<[], never>;
  // A macrotask would gather more, but never run while a caller reads in a loop.
  readonly #batches = new Batches<Pending>((pending) => this.#runTogether(pending), "microtask");

  #begun = 0;

  constructor(database: Connection) {
    this.#database = database;
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#rollback = database.prepare("ROLLBACK");
  }

  /**
   * Runs `change` in a transaction that holds the write lock from its start, so nothing it reads
   * can change before it writes. It may run twice, the first time without effect.
   */
  write<T>(change: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#batches.add({ change, resolve: resolve as (result: unknown) => void, reject });
    });
  }

  /** The number of the present transaction. No other connection writes during it. */
  get present(): number {
    return this.#begun;
  }

  /** Runs the pending writes now. */
  flush(): void {
    this.#batches.flush();
  }

  #runTogether(pending: readonly Pending[]): undefined {
    let failed: Pending | undefined;
    try {
      const results = this.#transaction(() =>
        pending.map((each) => {
          failed = each;
          const result = each.change();
          failed = undefined;
          return result;
        }),
      );
      for (const [index, { resolve }] of pending.entries()) resolve(results[index]);
    } catch (error) {
      // If one change failed, each runs again alone. If the lock or the commit failed, all have
      // failed.
      if (failed && pending.length > 1) for (const each of pending) this.#runTogether([each]);
      else for (const { reject } of pending) reject(error);
    }
  }

  #transaction<T>(run: () => T): T {
    if (this.#database.inTransaction) throw inForeignTransaction();
    this.#begin.run();
    this.#begun += 1;
    try {
      const result = run();
      this.#commit.run();
      return result;
    } catch (error) {
      // After some failures SQLite has already rolled back.
      if (this.#database.inTransaction) this.#rollback.run();
      throw error;
    }
  }
}
