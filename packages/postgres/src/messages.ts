import { TaskStoreError } from "@mcp-task-store/core";
import type { PushOutcome } from "@mcp-task-store/core/backend";
import type { Connections, Runner } from "./connection.ts";
import { namesOf } from "./names.ts";
import { CLOCK, NOW } from "./rows.ts";
import { read, type Statement, write } from "./statement.ts";

/** Most attempts to take messages that other consumers take at the same time. */
const ATTEMPTS = 50;

/** The queues of messages, each in the order of `id`. */
export class Messages {
  readonly #connections: Connections;
  readonly #schemaName: string;
  readonly #push: Statement<[taskId: string, body: string, ttl: number], never>;
  readonly #lock: Statement<[queue: string], never>;
  readonly #count: Statement<[taskId: string], { count: number }>;
  readonly #countAgain: Statement<[taskId: string], { count: number }>;
  readonly #shift: Statement<[taskId: string, limit: number | null], { overtaken: boolean; body: string | null }>;
  readonly #restore: Statement<[taskId: string, body: string, expiresAt: number], never>;
  readonly #peek: Statement<[taskIds: readonly string[]], { taskId: string; message: string; expiresAt: number }>;
  readonly #rewrite: Statement<[taskId: string, from: string, to: string], { id: number }>;
  readonly #deleteExpired: Statement<[limit: number], { count: number }>;

  constructor(connections: Connections, schemaName: string) {
    this.#connections = connections;
    this.#schemaName = schemaName;
    const { messages } = namesOf(schemaName);
    this.#push = write(
      "push",
      `INSERT INTO ${messages} (task_id, body, expires_at) VALUES ($1, $2, ${CLOCK} + $3::bigint)`,
    );
    this.#restore = write("restore_message", `INSERT INTO ${messages} (task_id, body, expires_at) VALUES ($1, $2, $3)`);
    this.#peek = read(
      "peek",
      `SELECT task_id AS "taskId", body AS message, expires_at AS "expiresAt" FROM ${messages}
        WHERE task_id = ANY ($1::text[]) AND expires_at > ${CLOCK} ORDER BY id`,
    );
    this.#lock = read("lock_queue", "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))");
    this.#count = read(
      "count",
      `SELECT count(*) AS count FROM ${messages} WHERE task_id = $1 AND expires_at > ${CLOCK}`,
    );
    // A consumer that has taken messages and not committed leaves them in the first count. This one
    // waits for it. It locks in id order, as consumers do.
    this.#countAgain = write(
      "count_again",
      `SELECT count(*) AS count FROM (
        SELECT FROM ${messages} WHERE task_id = $1 AND expires_at > ${CLOCK} ORDER BY id FOR SHARE) AS held`,
    );
    // FOR UPDATE without SKIP LOCKED keeps the queue FIFO: if another consumer rolled back the rows
    // that this one skipped, later messages would overtake them. Every consumer locks in id order,
    // so consumers cannot deadlock.
    // A statement that waits for a lock sees no message that was committed meanwhile. If it finds
    // fewer than there were at its start, it takes none, and the call looks again.
    const front = `SELECT id FROM ${messages} WHERE task_id = $1 AND expires_at > ${NOW} ORDER BY id LIMIT $2`;
    this.#shift = write(
      "shift",
      `WITH found AS MATERIALIZED (${front} FOR UPDATE), overtaken AS MATERIALIZED (
        SELECT (SELECT count(*) FROM found) < (SELECT count(*) FROM (${front}) AS front) AS overtaken
      ), taken AS (
        DELETE FROM ${messages} WHERE id = ANY (ARRAY(SELECT id FROM found, overtaken WHERE NOT overtaken))
        RETURNING id, body
      ) SELECT overtaken, body FROM overtaken LEFT JOIN taken ON true ORDER BY id`,
    );
    // Locks in id order, as a shift does.
    this.#rewrite = write(
      "rewrite_message",
      `UPDATE ${messages} SET body = $3 WHERE id = ANY (ARRAY(
          SELECT id FROM ${messages} WHERE task_id = $1 AND body = $2 AND expires_at > ${NOW} ORDER BY id FOR UPDATE))
        RETURNING id`,
    );
    this.#deleteExpired = write(
      "delete_expired_messages",
      `WITH deleted AS (
        DELETE FROM ${messages} WHERE id = ANY (ARRAY(
          SELECT id FROM ${messages} WHERE expires_at <= ${NOW} ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED))
        RETURNING 1
      ) SELECT count(*) AS count FROM deleted`,
    );
  }

  async push(taskId: string, body: string, maxSize: number | null, ttl: number): Promise<PushOutcome> {
    if (maxSize === null) {
      await this.#connections.run(this.#push, taskId, body, Math.ceil(ttl));
      return { pushed: true };
    }
    return this.#connections.transaction(async (transaction): Promise<PushOutcome> => {
      await transaction.run(this.#lock, this.#lockOf(taskId));
      let [{ count: size } = { count: 0 }] = await transaction.run(this.#count, taskId);
      if (size >= maxSize && size > 0)
        [{ count: size } = { count: 0 }] = await transaction.run(this.#countAgain, taskId);
      if (size >= maxSize) return { pushed: false, size };
      await transaction.run(this.#push, taskId, body, Math.ceil(ttl));
      return { pushed: true };
    });
  }

  async shift(taskId: string, limit: number | null): Promise<string[]> {
    for (let attempt = 1; ; attempt += 1) {
      const rows = await (limit === null
        ? this.#shiftAll(taskId)
        : this.#connections.run(this.#shift, taskId, Math.floor(limit)));
      if (rows[0]?.overtaken !== true) return rows.flatMap(({ body }) => body ?? []);
      if (attempt >= ATTEMPTS) throw overtaken(taskId);
    }
  }

  /**
   * With the lock of a producer that looks whether the queue is full. Otherwise a message could
   * come between the statement's view and its locks, fill the queue for another producer, and stay
   * behind.
   */
  #shiftAll(taskId: string) {
    return this.#connections.transaction(async (transaction) => {
      await transaction.run(this.#lock, this.#lockOf(taskId));
      return transaction.run(this.#shift, taskId, null);
    });
  }

  #lockOf(taskId: string): string {
    return JSON.stringify(["mcp-task-store queue", this.#schemaName, taskId]);
  }

  /** Adds a message with an expiry of its own. */
  async restore(runner: Runner, taskId: string, body: string, expiresAt: number): Promise<void> {
    await runner.run(this.#restore, taskId, body, expiresAt);
  }

  /** The unexpired messages, which stay. */
  peek(taskIds: readonly string[]): Promise<{ taskId: string; message: string; expiresAt: number }[]> {
    return this.#connections.run(this.#peek, taskIds);
  }

  /** Replaces the messages with this text, and returns whether there was one. */
  async rewrite(runner: Runner, taskId: string, from: string, to: string): Promise<boolean> {
    return (await runner.run(this.#rewrite, taskId, from, to)).length > 0;
  }

  async deleteExpired(limit: number): Promise<number> {
    const [{ count } = { count: 0 }] = await this.#connections.run(this.#deleteExpired, limit);
    return count;
  }
}

function overtaken(taskId: string): TaskStoreError {
  const message = "Other consumers took the messages of this queue each time; try again";
  return new TaskStoreError("BACKEND_UNAVAILABLE", message, { taskId, write: "not-applied" });
}
