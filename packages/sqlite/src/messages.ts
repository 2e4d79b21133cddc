import type { PushOutcome } from "@mcp-task-store/core/backend";
import type { Connection, Statement } from "./connection.ts";
import { namesOf } from "./names.ts";
import type { Transactions } from "./transactions.ts";

interface Row {
  readonly id: number;
  readonly body: string;
  readonly expiresAt: number;
}

/**
 * The queues of messages, each in the order of `id`. A new row has a larger id than all rows that
 * exist.
 */
export class Messages {
  readonly #transactions: Transactions;
  readonly #now: () => number;
  readonly #insert: Statement<[taskId: string, expiresAt: number, body: string], never>;
  readonly #count: Statement<[taskId: string, now: number], { count: number }>;
  readonly #first: Statement<[taskId: string, now: number, limit: number], Row>;
  readonly #rewrite: Statement<[to: string, taskId: string, from: string, now: number], never>;
  readonly #delete: Statement<[id: number], never>;
  readonly #deleteQueue: Statement<[taskId: string], never>;
  readonly #deleteExpired: Statement<[now: number, limit: number], never>;

  constructor(database: Connection, tablePrefix: string, transactions: Transactions, now: () => number) {
    this.#transactions = transactions;
    this.#now = now;
    const { messages } = namesOf(tablePrefix);
    this.#insert = database.prepare(`INSERT INTO ${messages} (task_id, expires_at, body) VALUES (?, ?, ?)`);
    this.#count = database.prepare(`SELECT count(*) AS count FROM ${messages} WHERE task_id = ? AND +expires_at > ?`);
    this.#first = database.prepare(
      `SELECT id, body, expires_at AS expiresAt FROM ${messages} WHERE task_id = ? AND +expires_at > ? ORDER BY id LIMIT ?`,
    );
    this.#rewrite = database.prepare(
      `UPDATE ${messages} SET body = ? WHERE task_id = ? AND body = ? AND +expires_at > ?`,
    );
    this.#delete = database.prepare(`DELETE FROM ${messages} WHERE id = ?`);
    this.#deleteQueue = database.prepare(`DELETE FROM ${messages} WHERE task_id = ?`);
    this.#deleteExpired = database.prepare(
      `DELETE FROM ${messages} WHERE id IN (SELECT id FROM ${messages} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
    );
  }

  push(taskId: string, body: string, maxSize: number | null, ttl: number): Promise<PushOutcome> {
    return this.#transactions.write(() => {
      const now = this.#now();
      if (maxSize !== null) {
        const size = this.#count.get(taskId, now)?.count ?? 0;
        if (size >= maxSize) return { pushed: false, size };
      }
      this.#insert.run(taskId, now + ttl, body);
      return { pushed: true };
    });
  }

  async shift(taskId: string, limit: number | null): Promise<string[]> {
    // Most queues are empty. This check takes no lock.
    if (!this.#first.get(taskId, this.#now(), 1)) return [];
    return this.#transactions.write(() => {
      // To SQLite, a negative limit means no limit.
      const taken = this.#first.all(taskId, this.#now(), limit === null ? -1 : Math.floor(limit));
      for (const { id } of taken) this.#delete.run(id);
      return taken.map(({ body }) => body);
    });
  }

  /** The unexpired messages of a task, which stay. */
  peek(taskId: string): Row[] {
    return this.#first.all(taskId, this.#now(), -1);
  }

  /** Adds a message with an expiry of its own. Call this in the transaction that adds the task. */
  restore(taskId: string, body: string, expiresAt: number): void {
    this.#insert.run(taskId, expiresAt, body);
  }

  /** Replaces the messages with this text. Returns whether there was one. */
  rewrite(taskId: string, from: string, to: string): boolean {
    return this.#rewrite.run(to, taskId, from, this.#now()) > 0;
  }

  /** Deletes the queue of a task. Call this in the transaction that deletes the task. */
  delete(taskId: string): void {
    this.#deleteQueue.run(taskId);
  }

  deleteExpired(limit: number): Promise<number> {
    return this.#transactions.write(() => this.#deleteExpired.run(this.#now(), limit));
  }
}
