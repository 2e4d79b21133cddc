import { prepare, type SqliteDatabase, type Statement } from "./database.ts";
import { CHANGES_KEPT, type Statements } from "./statements.ts";

type Listener = (taskId?: string) => void;

/**
 * Tells listeners which tasks changed. Writes of this connection are told right after their commit; for those of other
 * connections a timer reads `PRAGMA data_version`, which changes when any other one has committed and costs microseconds. The
 * timer runs only while there are listeners.
 */
export class Changes {
  readonly #statements: Statements;
  readonly #pollMs: number;
  readonly #version: Statement<[], { data_version: number }>;
  readonly #listeners = new Set<Listener>();
  #timer: NodeJS.Timeout | undefined;
  #seenVersion: number | undefined;
  #seenChange = 0;

  constructor(database: SqliteDatabase, statements: Statements, pollMs: number) {
    this.#statements = statements;
    this.#pollMs = pollMs;
    this.#version = prepare(database, "PRAGMA data_version");
  }

  /** No change that is committed after this returns can be missed. */
  listen(listener: Listener): () => void {
    if (this.#listeners.size === 0) {
      this.#seenVersion = this.#readVersion();
      this.#seenChange = this.#statements.lastChange.get()?.seq ?? 0;
      this.#timer = setInterval(() => this.#poll(), this.#pollMs).unref();
    }
    const own: Listener = (taskId) => listener(taskId);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size === 0) this.close();
    };
  }

  /** This connection has committed a change. */
  written(taskId: string, seq: number): void {
    // With a gap, other connections made changes that are still to be told.
    if (seq === this.#seenChange + 1) this.#seenChange = seq;
    this.#tell(taskId);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
  }

  #poll(): void {
    try {
      // Before the changes: one that comes between the two is found by the next poll as well.
      const version = this.#readVersion();
      if (version === this.#seenVersion) return;
      const changes = this.#statements.changedSince.all(this.#seenChange, this.#seenChange);
      this.#seenVersion = version;
      // Some were deleted before they were seen here.
      if ((changes.at(-1)?.seq ?? 0) - this.#seenChange > CHANGES_KEPT) this.#tell();
      for (const { taskId, seq } of changes) {
        this.#seenChange = seq;
        this.#tell(taskId);
      }
    } catch {
      // Nothing was marked as seen, so the next poll tries again.
    }
  }

  #readVersion(): number | undefined {
    return this.#version.get()?.data_version;
  }

  #tell(taskId?: string): void {
    for (const listener of this.#listeners) listener(taskId);
  }
}
