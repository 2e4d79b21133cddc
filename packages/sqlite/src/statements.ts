import { isTerminal, isVisibleChange, type Patch, type PayloadField, type StoredTask } from "@mcp-task-store/core";
import { prepare, type SqliteDatabase, type Statement } from "./database.ts";
import { columnsOf, namesOf, type TaskRow } from "./rows.ts";
import type { Schema } from "./schema.ts";

/** Longest payload, in characters, that is kept with its task. A page of the file has 4,096 bytes. */
const SMALL = 1024;

/** Payloads that come with a patch; the request comes with the task. */
const WRITTEN_LATER = ["inputs", "checkpoint", "outcome"] as const;

// What an update stores, so that progress does not rewrite the indexes on expiry and lease.
const VISIBLE = ["status", "statusMessage", "updatedAt", "revision"] as const;
const LEASE = ["expiresAt", "attempt", "leaseToken", "leaseExpiresAt"] as const;

type Changeable = (typeof VISIBLE | typeof LEASE | typeof WRITTEN_LATER)[number];

/** The task is not expired at the time of the parameter. */
export const ALIVE = "(expires_at IS NULL OR expires_at > ?)";

/** How many changes are kept for listeners, and how often the older ones are deleted. */
export const CHANGES_KEPT = 100_000;
const DELETE_CHANGES_EVERY = 1000;

/**
 * The statements on tasks, prepared once for a connection; names and types come from the drizzle schema. The SQL is
 * written out because these run for every call, and drizzle's builder costs more than the statements themselves.
 */
export class Statements {
  readonly storeId: Statement<[], { storeId: string }>;
  readonly lastChange: Statement<[], { seq: number }>;
  readonly putChange: Statement<[seq: number, position: number], never>;
  readonly deleteChanges: Statement<[upTo: number], never>;
  /** Keeps the counter from falling back when the tasks with the largest positions are deleted. */
  readonly keepCounter: Statement<[], never>;
  readonly changedSince: Statement<[seq: number, seq: number], { taskId: string; seq: number }>;

  readonly listen: Statement<[id: number, until: number], never>;
  readonly forgetListeners: Statement<[now: number], never>;
  readonly otherListener: Statement<[id: number, now: number], { id: number }>;

  readonly task: Statement<[taskId: string], TaskRow>;
  readonly tasks: Statement<[taskIds: string], TaskRow>;
  readonly insertTask: Statement<unknown[], never>;
  readonly putPayload: Statement<[position: number, PayloadField, body: string], never>;
  readonly deleteTask: Statement<[position: number], never>;
  readonly deletePayloads: Statement<[position: number], never>;

  readonly expired: Statement<[now: number, limit: number], { position: number }>;

  readonly listAll: Statement<[after: number, now: number, limit: number], TaskRow>;
  readonly listOwner: Statement<[owner: string | null, after: number, now: number, limit: number], TaskRow>;
  readonly listOwnerAndUnowned: Statement<
    [owner: string, after: number, now: number, after: number, now: number, limit: number],
    TaskRow
  >;

  readonly #database: SqliteDatabase;
  readonly #schema: Schema;
  readonly #withPayloads = new Map<string, Statement<[taskId: string], TaskRow>>();
  readonly #updates = new Map<string, Statement<unknown[], never>>();

  constructor(database: SqliteDatabase, schema: Schema) {
    this.#database = database;
    this.#schema = schema;
    const { tasks, payloads, listeners, changes, store } = namesOf(schema);
    const columns = columnsOf(schema);
    const sql = <Parameters extends readonly unknown[], Row = never>(text: string) =>
      prepare<Parameters, Row>(database, text);

    const counter = `max(ifnull((SELECT max(position) FROM ${tasks}), 0), ifnull((SELECT max(seq) FROM ${changes}), 0))`;
    this.storeId = sql(`SELECT store_id AS storeId FROM ${store} WHERE id = 1`);
    this.lastChange = sql(`SELECT ${counter} AS seq`);
    this.putChange = sql(`INSERT INTO ${changes} (seq, position) VALUES (?, ?)`);
    this.deleteChanges = sql(`DELETE FROM ${changes} WHERE seq <= ?`);
    this.keepCounter = sql(`INSERT OR IGNORE INTO ${changes} (seq, position) VALUES (${counter}, 0)`);
    this.changedSince = sql(
      `SELECT task_id AS taskId, position AS seq FROM ${tasks} WHERE position > ? UNION ALL
        SELECT task_id, seq FROM ${changes} c CROSS JOIN ${tasks} t ON t.position = c.position WHERE seq > ?
        ORDER BY seq`,
    );

    this.listen = sql(
      `INSERT INTO ${listeners} (id, listens_until) VALUES (?, ?)
        ON CONFLICT DO UPDATE SET listens_until = excluded.listens_until`,
    );
    this.forgetListeners = sql(`DELETE FROM ${listeners} WHERE listens_until <= ?`);
    this.otherListener = sql(`SELECT id FROM ${listeners} WHERE id <> ? AND listens_until > ? LIMIT 1`);

    this.task = sql(`SELECT ${columns} FROM ${tasks} t WHERE task_id = ?`);
    this.tasks = sql(`SELECT ${columns} FROM ${tasks} t WHERE task_id IN (SELECT value FROM json_each(?))`);
    this.insertTask = sql(
      `INSERT INTO ${tasks} (position, task_id, owner, name, status, created_at, updated_at, ttl, expires_at,
        poll_interval, revision, attempt, lease_token, lease_expires_at, status_message, request)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (task_id) DO NOTHING`,
    );
    this.putPayload = sql(
      `INSERT INTO ${payloads} (position, field, body) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body`,
    );
    this.deleteTask = sql(`DELETE FROM ${tasks} WHERE position = ?`);
    this.deletePayloads = sql(`DELETE FROM ${payloads} WHERE position = ?`);

    this.expired = sql(`SELECT position FROM ${tasks} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?`);

    const list = (from: string, where: string) =>
      `SELECT ${columns} FROM ${tasks} t ${from} WHERE ${where} position > ? AND ${ALIVE}`;
    // With the statistics of ANALYZE, SQLite would walk past everybody's tasks to those of an owner of many: 12 ms instead of 0.04 for the
    // first page, among 600,000.
    const ofOwner = (where: string) => list(`INDEXED BY ${tasks}_by_owner`, where);
    const page = "ORDER BY position LIMIT ?";
    this.listAll = sql(`${list("", "")} ${page}`);
    this.listOwner = sql(`${ofOwner("owner IS ? AND")} ${page}`);
    // Two walks along the index, merged as far as the limit: an OR would sort all that either finds.
    this.listOwnerAndUnowned = sql(`${ofOwner("owner = ? AND")} UNION ALL ${ofOwner("owner IS NULL AND")} ${page}`);
  }

  /** A task together with these payloads: one statement for each combination, prepared when it is first needed. */
  taskWith(fields: readonly PayloadField[]): Statement<[taskId: string], TaskRow> {
    if (fields.length === 0) return this.task;
    const key = fields.join();
    let statement = this.#withPayloads.get(key);
    if (!statement) {
      const { tasks } = namesOf(this.#schema);
      const text = `SELECT ${columnsOf(this.#schema, fields)} FROM ${tasks} t WHERE task_id = ?`;
      statement = prepare<[string], TaskRow>(this.#database, text);
      this.#withPayloads.set(key, statement);
    }
    return statement;
  }

  /** The change counter's next value. */
  nextChange(): number {
    const seq = (this.lastChange.get()?.seq as number) + 1;
    if (seq % DELETE_CHANGES_EVERY === 0) this.deleteChanges.run(seq - CHANGES_KEPT);
    return seq;
  }

  /** Returns whether the task was stored: it is not when there is one with its id. */
  insert(task: StoredTask, request: string): boolean {
    const small = request.length <= SMALL;
    const changes = this.insertTask.run(
      task.position,
      task.taskId,
      task.owner,
      task.name,
      task.status,
      task.createdAt,
      task.updatedAt,
      task.ttl,
      task.expiresAt,
      task.pollInterval,
      task.revision,
      task.attempt,
      task.leaseToken,
      task.leaseExpiresAt,
      task.statusMessage,
      small ? request : null,
    );
    if (changes > 0 && !small) this.putPayload.run(task.position, "request", request);
    return changes > 0;
  }

  /** Stores a task as this patch has made it. */
  update(task: StoredTask, patch: Patch): void {
    const columns: readonly Changeable[] = [
      ...(isVisibleChange(patch) ? VISIBLE : []),
      ...(patch.lease || isTerminal(task.status) ? LEASE : []),
      ...WRITTEN_LATER.filter((field) => patch[field] !== undefined),
    ];
    if (columns.length === 0) return;
    const values = columns.map((column) =>
      isPayload(column) ? this.#besides(task.position, column, task[column] as string) : task[column],
    );
    this.#updateOf(columns).run(...values, task.position);
  }

  /** What the task's own row holds of a payload; a large one goes elsewhere. One that is replaced by a small one stays there, hidden. */
  #besides(position: number, field: PayloadField, body: string): string | null {
    if (body.length <= SMALL) return body;
    this.putPayload.run(position, field, body);
    return null;
  }

  #updateOf(columns: readonly Changeable[]): Statement<unknown[], never> {
    const key = columns.join();
    let statement = this.#updates.get(key);
    if (!statement) {
      const { tasks } = this.#schema;
      const set = columns.map((column) => `${tasks[column].name} = ?`).join(", ");
      statement = prepare(this.#database, `UPDATE ${namesOf(this.#schema).tasks} SET ${set} WHERE position = ?`);
      this.#updates.set(key, statement);
    }
    return statement;
  }
}

function isPayload(column: Changeable): column is (typeof WRITTEN_LATER)[number] {
  return (WRITTEN_LATER as readonly Changeable[]).includes(column);
}
