import { isTaskStoreError, type TaskEventKind } from "@mcp-task-store/core";
import {
  type EventBackend,
  inSteps,
  realTime,
  type Settlement,
  type StoredEvent,
  type StoredNotifier,
} from "@mcp-task-store/core/backend";
import type { Connections, Transaction } from "./connection.ts";
import { isLockTimeout } from "./errors.ts";
import { namesOf, quoted } from "./names.ts";
import { NOW, STATEMENT } from "./rows.ts";
import { read, type Statement, write } from "./statement.ts";

/** Longest time for a change of the triggers. */
const TIMEOUT_MS = 60_000;
/** Longest wait of such a change for the table of tasks. Then it lets others pass first. */
const LOCK_MS = 2000;
/** Most events that one statement deletes or redelivers. */
const BATCH = 500;

const COLUMNS = `e.seq, e.id, e.kind, e.at, e.task_id AS "taskId", e.owner, e.name, e.status,
  e.status_message AS "statusMessage", e.revision, e.attempt, e.token, e.set_aside AS "setAside", e.error`;

/** A taken event, if there was one. `looked`: how many due events the statement has looked at. */
type TakenRow = { looked: number } & (StoredEvent | { seq: null });

/**
 * The events that wait for notifiers. A trigger writes them, so that every write of a task has its
 * event in its own transaction, and none that commits late can be missed. The trigger exists while
 * a notifier does.
 *
 * Calls on the events of one notifier go one after the other, by an advisory lock: a task's next
 * event comes up when the one before is settled, and no look for events may fall in between.
 */
export class Events implements EventBackend {
  readonly #connections: Connections;
  readonly #schemaName: string;
  readonly #lock: Statement<[lock: string], never>;
  readonly #known: Statement<[name: string], { kinds: string }>;
  readonly #put: Statement<[name: string, kinds: readonly string[]], { notifiers: number }>;
  readonly #drop: Statement<[name: string], { name: string }>;
  readonly #count: Statement<[], { count: number }>;
  readonly #triggers: Statement<[], never>;
  readonly #registered: Statement<[], Omit<StoredNotifier, "kinds"> & { kinds: string }>;
  readonly #look: Statement<[notifier: string], { registered: boolean; due: boolean }>;
  readonly #take: Statement<[notifier: string, leaseMs: number, limit: number, scan: number], TakenRow>;
  readonly #settle: Statement<
    [
      notifier: string,
      seqs: readonly string[],
      tokens: readonly string[],
      thens: readonly string[],
      waits: readonly string[],
      errors: readonly string[],
    ],
    never
  >;
  readonly #list: Statement<[notifier: string, after: number, limit: number], StoredEvent>;
  readonly #listSetAside: Statement<[notifier: string, after: number, limit: number], StoredEvent>;
  readonly #redeliver: Statement<[notifier: string, ids: readonly string[] | null, limit: number], { seq: number }>;
  readonly #deleteAll: Statement<[notifier: string, limit: number], { seq: number }>;

  constructor(connections: Connections, schemaName: string) {
    this.#connections = connections;
    this.#schemaName = schemaName;
    const { events, notifiers } = namesOf(schemaName);
    this.#lock = read("lock_events", "SELECT pg_advisory_xact_lock(hashtextextended($1, 3))");
    const kinds = "array_to_string(n.kinds, ',') AS kinds";
    this.#known = read("notifier", `SELECT ${kinds} FROM ${notifiers} AS n WHERE name = $1`);
    this.#put = write(
      "put_notifier",
      `INSERT INTO ${notifiers} (name, kinds) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET kinds = excluded.kinds`,
    );
    this.#drop = write("drop_notifier", `DELETE FROM ${notifiers} WHERE name = $1 RETURNING name`);
    this.#count = read("count_notifiers", `SELECT count(*) AS count FROM ${notifiers}`);
    this.#triggers = write("event_triggers", `SELECT ${quoted(schemaName)}.task_event_triggers()`);
    const counted = (which: string) => `(SELECT count(*) FROM ${events} AS e WHERE e.notifier = n.name AND ${which})`;
    this.#registered = read(
      "notifiers",
      `SELECT n.name, ${kinds}, ${counted("NOT e.set_aside")} AS waiting, ${counted("e.set_aside IS TRUE")} AS "setAside",
        (SELECT e.at FROM ${events} AS e WHERE e.notifier = n.name AND NOT e.set_aside ORDER BY e.seq LIMIT 1) AS "oldestAt"
      FROM ${notifiers} AS n`,
    );
    this.#look = read(
      "look_for_events",
      `SELECT EXISTS (SELECT FROM ${notifiers} WHERE name = $1) AS registered,
        EXISTS (SELECT FROM ${events} WHERE notifier = $1 AND due_at <= ${NOW}) AS due`,
      "reads",
    );
    // A due event that an earlier one of its task blocks loses its time, so that no later look
    // finds it. It gets one when that event is settled.
    this.#take = write(
      "take_events",
      `WITH due AS MATERIALIZED (
        SELECT e.seq, e.due_at, EXISTS (SELECT FROM ${events} AS b WHERE b.notifier = $1
          AND b.task_id = e.task_id AND b.seq < e.seq AND NOT b.set_aside) AS blocked
        FROM ${events} AS e WHERE e.notifier = $1 AND e.due_at <= ${STATEMENT} ORDER BY e.due_at, e.seq LIMIT $4
      ), blocked AS (
        UPDATE ${events} SET due_at = NULL WHERE seq = ANY (ARRAY(SELECT seq FROM due WHERE blocked))
      ), taken AS (
        UPDATE ${events} AS e SET due_at = ${STATEMENT} + $2::bigint, attempt = e.attempt + 1, token = e.token + 1
        WHERE e.seq = ANY (ARRAY(SELECT seq FROM due WHERE NOT blocked ORDER BY due_at, seq LIMIT $3))
        RETURNING ${COLUMNS}
      )
      SELECT (SELECT count(*) FROM due) AS looked, taken.*
      FROM (SELECT) AS one LEFT JOIN taken ON true ORDER BY taken.seq`,
    );
    // An event that is set aside has another token than each of its leases.
    const mine = "e.notifier = $1 AND e.seq = s.seq AND e.token = s.token";
    this.#settle = write(
      "settle_events",
      `WITH said AS MATERIALIZED (
        SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[])
          AS s (seq, token, what, wait, error)
      ), deleted AS (
        DELETE FROM ${events} AS e USING said AS s WHERE ${mine} AND s.what = 'delete' RETURNING e.seq, e.task_id
      ), aside AS (
        UPDATE ${events} AS e SET set_aside = true, due_at = NULL, token = e.token + 1, error = s.error
        FROM said AS s WHERE ${mine} AND s.what = 'setAside' RETURNING e.seq, e.task_id
      ), later AS (
        UPDATE ${events} AS e SET due_at = ${STATEMENT} + s.wait, token = e.token + 1,
          attempt = e.attempt - CASE WHEN s.what = 'giveBack' THEN 1 ELSE 0 END, error = coalesce(nullif(s.error, ''), e.error)
        FROM said AS s WHERE ${mine} AND s.what IN ('giveBack', 'retry')
      ), gone AS MATERIALIZED (SELECT * FROM deleted UNION ALL SELECT * FROM aside)
      UPDATE ${events} SET due_at = ${STATEMENT} WHERE due_at IS NULL AND seq = ANY (ARRAY(
        SELECT (SELECT e.seq FROM ${events} AS e WHERE e.notifier = $1 AND e.task_id = g.task_id AND NOT e.set_aside
          AND e.seq <> ALL (ARRAY(SELECT seq FROM gone)) ORDER BY e.seq LIMIT 1)
        FROM gone AS g))`,
    );
    const list = (where: string) =>
      `SELECT ${COLUMNS} FROM ${events} AS e WHERE e.notifier = $1 AND ${where} e.seq > $2 ORDER BY e.seq LIMIT $3`;
    this.#list = read("list_events", list(""));
    this.#listSetAside = read("list_events_set_aside", list("e.set_aside IS TRUE AND"));
    this.#redeliver = write(
      "redeliver_events",
      `UPDATE ${events} SET set_aside = false, attempt = 0, due_at = ${STATEMENT} WHERE seq = ANY (ARRAY(
        SELECT seq FROM ${events} WHERE notifier = $1 AND set_aside IS TRUE AND ($2::text[] IS NULL OR id = ANY ($2::text[]))
        ORDER BY seq LIMIT $3)) RETURNING seq`,
    );
    this.#deleteAll = write(
      "delete_events",
      `DELETE FROM ${events} WHERE seq = ANY (ARRAY(SELECT seq FROM ${events} WHERE notifier = $1 LIMIT $2)) RETURNING seq`,
    );
  }

  async register(name: string, kinds: readonly TaskEventKind[]): Promise<void> {
    const [known] = await this.#connections.run(this.#known, name);
    // The usual case takes no lock.
    if (known?.kinds === kinds.join(",")) return;
    await this.#changeTriggers(async (transaction) => {
      await transaction.run(this.#put, name, kinds);
      const [{ count } = { count: 0 }] = await transaction.run(this.#count);
      if (count === 1) await transaction.run(this.#triggers);
    });
  }

  unregister(name: string): Promise<boolean> {
    return inSteps((wrote) => this.#unregister(name, wrote));
  }

  async #unregister(name: string, wrote: () => void): Promise<boolean> {
    const { tasks } = namesOf(this.#schemaName);
    const removed = await this.#changeTriggers(async (transaction) => {
      const [known] = await transaction.run(this.#known, name);
      if (!known) return false;
      const [{ count } = { count: 0 }] = await transaction.run(this.#count);
      // Waits for writes that know the notifier, so that none adds an event later. The last one's
      // triggers go, for which readers have to wait as well.
      await transaction.command(`LOCK TABLE ${tasks} IN ${count === 1 ? "ACCESS EXCLUSIVE" : "SHARE"} MODE`);
      await transaction.run(this.#drop, name);
      if (count === 1) await transaction.run(this.#triggers);
      return true;
    });
    if (removed) wrote();
    // Also after a removal that ended before this.
    while ((await this.#connections.run(this.#deleteAll, name, BATCH)).length === BATCH) wrote();
    return removed;
  }

  async registered(): Promise<StoredNotifier[]> {
    const rows = await this.#connections.run(this.#registered);
    return rows.map(({ kinds, ...row }) => ({ ...row, kinds: kinds.split(",") as TaskEventKind[] }));
  }

  async take(notifier: string, limit: number, leaseMs: number): Promise<StoredEvent[] | undefined> {
    // Most looks find nothing. This one takes no lock.
    const [found] = await this.#connections.run(this.#look, notifier);
    if (!found?.registered) return undefined;
    if (!found.due) return [];
    return this.#locked(notifier, async (transaction) => {
      const taken: StoredEvent[] = [];
      const scan = 2 * limit + 50;
      for (;;) {
        const rows = await transaction.run(this.#take, notifier, leaseMs, limit - taken.length, scan);
        for (const { looked: _, ...event } of rows) if (event.seq !== null) taken.push(event);
        if (taken.length >= limit || (rows[0]?.looked ?? 0) < scan) return taken;
      }
    });
  }

  async settle(notifier: string, settlements: readonly Settlement[]): Promise<void> {
    await this.#locked(notifier, (transaction) =>
      transaction.run(
        this.#settle,
        notifier,
        settlements.map(({ seq }) => `${seq}`),
        settlements.map(({ token }) => `${token}`),
        settlements.map(({ becomes }) => (typeof becomes === "number" ? "retry" : becomes)),
        settlements.map(({ becomes }) => (typeof becomes === "number" ? `${becomes}` : "0")),
        settlements.map(({ error }) => error ?? ""),
      ),
    );
  }

  list(notifier: string, setAside: boolean, after: number, limit: number): Promise<StoredEvent[]> {
    return this.#connections.run(setAside ? this.#listSetAside : this.#list, notifier, after, limit);
  }

  redeliver(notifier: string, ids: readonly string[] | null): Promise<number> {
    return inSteps(async (wrote) => {
      let redelivered = 0;
      for (;;) {
        const rows = await this.#locked(notifier, (transaction) =>
          transaction.run(this.#redeliver, notifier, ids, BATCH),
        );
        if (rows.length > 0) wrote();
        redelivered += rows.length;
        if (rows.length < BATCH) return redelivered;
      }
    });
  }

  #locked<T>(notifier: string, body: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#connections.transaction(async (transaction) => {
      await transaction.run(this.#lock, JSON.stringify(["mcp-task-store events", this.#schemaName, notifier]));
      return body(transaction);
    });
  }

  /**
   * Changes the notifiers, one change at a time. While it waits for the table of tasks, it holds up
   * every write after it, so it waits for a short time, and again.
   */
  async #changeTriggers<T>(body: (transaction: Transaction) => Promise<T>): Promise<T> {
    const giveUpAt = realTime.now() + TIMEOUT_MS;
    for (;;) {
      try {
        return await this.#connections.transaction(async (transaction) => {
          await transaction.run(this.#lock, JSON.stringify(["mcp-task-store notifiers", this.#schemaName]));
          await transaction.command(`SET LOCAL lock_timeout = ${LOCK_MS}`);
          return body(transaction);
        }, TIMEOUT_MS);
      } catch (error) {
        if (!isTaskStoreError(error) || !isLockTimeout(error.cause) || realTime.now() > giveUpAt) throw error;
      }
    }
  }
}
