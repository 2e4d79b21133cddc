import type { PayloadField, StoredTask, TaskStatus } from "@mcp-task-store/core";
import { prepare, type SqliteDatabase, type Statement } from "./database.ts";
import { columnsOf, namesOf, type TaskRow } from "./rows.ts";
import type { Schema } from "./schema.ts";

/**
 * The statements on tasks, prepared once for a connection; names and types come from the drizzle schema. The SQL is
 * written out because these run for every call, and drizzle's builder costs more than the statements themselves.
 */
export class Statements {
  readonly storeId: Statement<[], { storeId: string }>;
  /** The change counter's next value. It looks at both, since the task with the last change may be deleted by now. */
  readonly nextChange: Statement<[], { seq: number }>;
  /** Keeps the counter from falling back when the tasks with the last changes are deleted. */
  readonly keepCounter: Statement<[], never>;
  readonly changedSince: Statement<[seq: number], { taskId: string; seq: number }>;

  readonly task: Statement<[taskId: string], TaskRow>;
  readonly tasks: Statement<[taskIds: string], TaskRow>;
  readonly insertTask: Statement<unknown[], never>;
  readonly putPayload: Statement<[position: number, PayloadField, body: string], never>;
  readonly deleteTask: Statement<[position: number], never>;
  readonly deletePayloads: Statement<[position: number], never>;

  readonly change: Statement<
    [seq: number, TaskStatus, message: string | null, updatedAt: number, revision: number, position: number],
    never
  >;
  readonly lease: Statement<
    [expiresAt: number | null, attempt: number, token: number, leaseExpiresAt: number | null, position: number],
    never
  >;

  readonly countActive: Statement<[now: number, limit: number], { count: number }>;
  readonly countActiveOfOwner: Statement<[owner: string | null, now: number, limit: number], { count: number }>;
  readonly lapsedFirst: Statement<[name: string, now: number, now: number], TaskRow>;
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

  constructor(database: SqliteDatabase, schema: Schema) {
    this.#database = database;
    this.#schema = schema;
    const { tasks, payloads, store } = namesOf(schema);
    const columns = columnsOf(schema);
    const sql = <Parameters extends readonly unknown[], Row = never>(text: string) =>
      prepare<Parameters, Row>(database, text);

    const counter = `max(last_change, ifnull((SELECT max(change_seq) FROM ${tasks}), 0))`;
    this.storeId = sql(`SELECT store_id AS storeId FROM ${store} WHERE id = 1`);
    this.nextChange = sql(`SELECT ${counter} + 1 AS seq FROM ${store} WHERE id = 1`);
    this.keepCounter = sql(`UPDATE ${store} SET last_change = ${counter} WHERE id = 1`);
    this.changedSince = sql(
      `SELECT task_id AS taskId, change_seq AS seq FROM ${tasks} WHERE change_seq > ? ORDER BY change_seq`,
    );

    this.task = sql(`SELECT ${columns} FROM ${tasks} t WHERE task_id = ?`);
    this.tasks = sql(`SELECT ${columns} FROM ${tasks} t WHERE task_id IN (SELECT value FROM json_each(?))`);
    this.insertTask = sql(
      `INSERT INTO ${tasks} (position, change_seq, task_id, owner, name, status, created_at, updated_at, ttl, expires_at,
        poll_interval, revision, attempt, lease_token, lease_expires_at, status_message)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.putPayload = sql(
      `INSERT INTO ${payloads} (position, field, body) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body`,
    );
    this.deleteTask = sql(`DELETE FROM ${tasks} WHERE position = ?`);
    this.deletePayloads = sql(`DELETE FROM ${payloads} WHERE position = ?`);

    this.change = sql(
      `UPDATE ${tasks} SET change_seq = ?, status = ?, status_message = ?, updated_at = ?, revision = ? WHERE position = ?`,
    );
    this.lease = sql(
      `UPDATE ${tasks} SET expires_at = ?, attempt = ?, lease_token = ?, lease_expires_at = ? WHERE position = ?`,
    );

    const alive = "(expires_at IS NULL OR expires_at > ?)";
    const active = `lease_expires_at IS NOT NULL AND ${alive}`;
    this.countActive = sql(
      `SELECT count(*) AS count FROM (SELECT 1 FROM ${tasks} INDEXED BY ${tasks}_active WHERE ${active} LIMIT ?)`,
    );
    this.countActiveOfOwner = sql(
      `SELECT count(*) AS count FROM (SELECT 1 FROM ${tasks} WHERE owner IS ? AND ${active} LIMIT ?)`,
    );
    this.lapsedFirst = sql(
      `SELECT ${columns} FROM ${tasks} t WHERE name = ? AND lease_expires_at <= ? AND ${alive}
        ORDER BY lease_expires_at, position LIMIT 1`,
    );
    this.expired = sql(`SELECT position FROM ${tasks} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?`);

    const list = (from: string, where: string) =>
      `SELECT ${columns} FROM ${tasks} t ${from} WHERE ${where} position > ? AND ${alive}`;
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

  insert(task: StoredTask, request: string): void {
    this.insertTask.run(
      task.position,
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
    );
    this.putPayload.run(task.position, "request", request);
  }

  // Two statements, so that progress does not rewrite the indexes on expiry and lease, nor a heartbeat the one on changes.

  /** Stores what a reader can see of the task. */
  setChange({ status, statusMessage, updatedAt, revision, position }: StoredTask, seq: number): void {
    this.change.run(seq, status, statusMessage, updatedAt, revision, position);
  }

  /** Stores the task's lease and expiry. */
  setLease({ expiresAt, attempt, leaseToken, leaseExpiresAt, position }: StoredTask): void {
    this.lease.run(expiresAt, attempt, leaseToken, leaseExpiresAt, position);
  }
}
