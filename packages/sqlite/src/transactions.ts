import { prepare, type SqliteDatabase, type Statement } from "./database.ts";
import { inForeignTransaction } from "./errors.ts";

interface Pending {
  readonly change: () => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes of one connection. Those that are asked for at the same time share a transaction, hence one commit and one sync of
 * the disk; each still succeeds or fails by itself, and none is acknowledged before the commit. A microtask ends the gathering: a
 * later turn of the event loop would gather more, but never come for a caller who reads in a loop.
 */
export class Transactions {
  readonly #database: SqliteDatabase;
  readonly #begin: Statement<[], never>;
  readonly #commit: Statement<[], never>;
  readonly #rollback: Statement<[], never>;
  #pending: Pending[] = [];

  constructor(database: SqliteDatabase) {
    this.#database = database;
    this.#begin = prepare(database, "BEGIN IMMEDIATE");
    this.#commit = prepare(database, "COMMIT");
    this.#rollback = prepare(database, "ROLLBACK");
  }

  /**
   * Runs `change` in a transaction that holds the write lock from its start: nothing that it reads can change before it
   * writes. It may run twice, the first time without effect.
   */
  write<T>(change: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      // Not empty means that a microtask is on its way.
      if (this.#pending.length === 0) queueMicrotask(() => this.flush());
      this.#pending.push({ change, resolve: resolve as (result: unknown) => void, reject });
    });
  }

  /** Runs at once what was asked for so far. */
  flush(): void {
    const pending = this.#pending;
    this.#pending = [];
    if (pending.length > 0) this.#runTogether(pending);
  }

  #runTogether(pending: readonly Pending[]): void {
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
      // The failure of one change is its own; without the lock or the commit all have failed.
      if (failed && pending.length > 1) for (const each of pending) this.#runTogether([each]);
      else for (const { reject } of pending) reject(error);
    }
  }

  #transaction<T>(run: () => T): T {
    if (this.#database.inTransaction) throw inForeignTransaction();
    this.#begin.run();
    try {
      const result = run();
      this.#commit.run();
      return result;
    } catch (error) {
      // SQLite ends the transaction by itself after some failures.
      if (this.#database.inTransaction) this.#rollback.run();
      throw error;
    }
  }
}
