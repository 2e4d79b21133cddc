import { randomInt } from "node:crypto";
import { prepare, type SqliteDatabase, type Statement } from "./database.ts";
import { CHANGES_KEPT, type Statements } from "./statements.ts";
import type { Transactions } from "./transactions.ts";

type Listener = (taskId?: string) => void;

/** For how long a store is known to listen, in milliseconds; renewed at half time. It may be blocked or stopped for longer. */
const LISTENS_FOR = 60_000;

/**
 * Tells listeners which tasks changed. Writes of this connection are told right after their commit; for those of other
 * connections a timer reads `PRAGMA data_version`, which changes when any other one has committed and costs microseconds. The
 * timer runs only while there are listeners.
 *
 * Writers log a change only while somebody else listens, since the log is another page to write for each: one lifecycle at a time took a
 * seventh longer with it. A new task needs no entry, its position tells.
 */
export class Changes {
  readonly #statements: Statements;
  readonly #transactions: Transactions;
  readonly #pollMs: number;
  readonly #version: Statement<[], { data_version: number }>;
  readonly #listeners = new Set<Listener>();
  readonly #id = randomInt(2 ** 47);
  #closed = false;
  #listensUntil = 0;
  #timer: NodeJS.Timeout | undefined;
  #seenVersion: number | undefined;
  #seenChange = 0;

  constructor(database: SqliteDatabase, statements: Statements, transactions: Transactions, pollMs: number) {
    this.#statements = statements;
    this.#transactions = transactions;
    this.#pollMs = pollMs;
    this.#version = prepare(database, "PRAGMA data_version");
  }

  /** No change that is committed after this returns can be missed. */
  async listen(listener: Listener): Promise<() => void> {
    await this.#announce();
    if (this.#closed) return () => undefined;
    if (this.#listeners.size === 0) {
      this.#seenVersion = this.#readVersion();
      this.#seenChange = this.#statements.lastChange.get()?.seq ?? 0;
      this.#timer = setInterval(() => this.#poll(), this.#pollMs).unref();
    }
    const own: Listener = (taskId) => listener(taskId);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size === 0) clearInterval(this.#timer);
    };
  }

  /** To be called in the transaction that changes a task. Returns the change's number if it has one. */
  log(position: number): number | undefined {
    if (!this.#statements.otherListener.get(this.#id, Date.now())) return undefined;
    const seq = this.#statements.nextChange();
    this.#statements.putChange.run(seq, position);
    return seq;
  }

  /** This connection has committed a change. */
  written(taskId: string, seq: number | undefined): void {
    // With a gap, other connections made changes that are still to be told.
    if (seq === this.#seenChange + 1) this.#seenChange = seq;
    this.#tell(taskId);
  }

  /** Others go on logging until the time that they know of has passed. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#listeners.clear();
  }

  /** Lets others know that somebody listens here, unless they will know for a while. */
  async #announce(): Promise<void> {
    const now = Date.now();
    if (now < this.#listensUntil - LISTENS_FOR / 2) return;
    await this.#transactions.write(() => {
      this.#statements.forgetListeners.run(now);
      this.#statements.listen.run(this.#id, now + LISTENS_FOR);
    });
    const lapsed = now >= this.#listensUntil;
    this.#listensUntil = now + LISTENS_FOR;
    // What changed in between is not in the log.
    if (lapsed) this.#tell();
  }

  #poll(): void {
    // A failure is tried again by the next poll.
    this.#announce().catch(() => undefined);
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
