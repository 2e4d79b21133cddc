import { setImmediate, setTimeout } from "node:timers/promises";
import {
  applyPatch,
  type Capabilities,
  type Caps,
  type ClaimQuery,
  type Guard,
  guardHolds,
  type InsertOutcome,
  initialTask,
  isExpired,
  isInScope,
  isVisibleChange,
  type ListQuery,
  type NewTask,
  type OwnerScope,
  type Patch,
  type PayloadField,
  type PushOutcome,
  type StoredTask,
  type TaskBackend,
  TaskStoreError,
  type UpdateOutcome,
  withPayloads,
} from "@mcp-task-store/core";
import { configure, openDatabase, type SqliteDatabase } from "./database.ts";
import { isBusy, mismatch, toStoreError, unavailable } from "./errors.ts";
import { Changes } from "./listen.ts";
import { Messages } from "./messages.ts";
import { migrate, SCHEMA_VERSION, versionOf } from "./migrate.ts";
import { type CapStatements, type ClaimStatements, capsOnDemand, claimsOnDemand, type OnDemand } from "./on-demand.ts";
import { type SqliteOptions, type SqliteSettings, sqliteSettings } from "./options.ts";
import { type TaskRow, toStored } from "./rows.ts";
import { schema } from "./schema.ts";
import { Statements } from "./statements.ts";
import { Transactions } from "./transactions.ts";

/**
 * Most rows deleted in one transaction, so that other writers get their turn. With 500, a write during a sweep took 6 ms instead of 1 (median;
 * 32 and 20 instead of 22 and 8 for the slowest of 100), and a sweep deleted 107,000 tasks a second instead of 62,000.
 */
const DELETE_BATCH = 100;

/** Payloads that an active task can have. */
const BEFORE_THE_END = ["request", "inputs", "checkpoint"] as const;

/** What there is while the database is open. */
interface Open {
  readonly database: SqliteDatabase;
  readonly statements: Statements;
  readonly transactions: Transactions;
  readonly messages: Messages;
  readonly changes: Changes;
  readonly claims: OnDemand<ClaimStatements>;
  readonly caps: OnDemand<CapStatements>;
}

/**
 * Tasks in an SQLite database. Each write is one transaction that holds the write lock from its start, and nothing is awaited
 * in it; so the rules are core's own functions, applied to the row that was just read, and not said again in SQL.
 */
export class SqliteBackend implements TaskBackend {
  readonly capabilities: Capabilities;
  readonly #settings: SqliteSettings;
  readonly #now: () => number;
  #opened: Open | undefined;

  /** @throws TaskStoreError `INVALID_ARGUMENT` for an option that cannot be right */
  constructor(options: SqliteOptions) {
    this.#settings = sqliteSettings(options);
    const { path, database, clock } = this.#settings;
    this.#now = () => clock.now();
    const onDisk = database ? !database.memory : path?.trim() !== ":memory:";
    this.capabilities = Object.freeze({ durable: onDisk, multiProcess: onDisk });
  }

  async open(): Promise<{ storeId: string }> {
    const deadline = performance.now() + this.#settings.busyTimeoutMs;
    for (;;) {
      try {
        return this.#connect();
      } catch (error) {
        // SQLite does not wait by itself for a process that is just making the file a WAL database.
        if (!isBusy(error) || performance.now() > deadline) throw toStoreError(error);
      }
      await setTimeout(5 + Math.random() * 20);
    }
  }

  async insert(task: NewTask, caps: Caps): Promise<InsertOutcome> {
    const capped = caps.activeTasks !== null || caps.activeTasksPerOwner !== null;
    const counts = capped ? await this.#run((opened) => opened.caps.get()) : undefined;
    const outcome = await this.#write(({ statements }): InsertOutcome => {
      const now = this.#now();
      const reached = counts && capReached(counts, caps, task.owner, now);
      const inserted = initialTask(task, statements.nextChange(), now);
      if (reached || !statements.insert(inserted, task.request)) {
        const existing = statements.task.get(task.taskId);
        if (existing && !isExpired(existing, now)) return { refused: "duplicate" };
        if (reached) return { refused: reached };
        if (existing) deleteTasks(statements, [existing]);
        statements.insert(inserted, task.request);
      }
      return { inserted: withPayloads(inserted) };
    });
    if ("inserted" in outcome) this.#opened?.changes.written(task.taskId, outcome.inserted.position);
    return outcome;
  }

  async read(taskId: string, scope: OwnerScope, payloads: readonly PayloadField[]): Promise<StoredTask | undefined> {
    return this.#run(({ statements }) => {
      const task = alive(statements.taskWith(payloads).get(taskId), this.#now());
      return task && isInScope(scope, task.owner) ? task : undefined;
    });
  }

  async readMany(taskIds: readonly string[]): Promise<StoredTask[]> {
    return this.#run(({ statements }) => {
      const now = this.#now();
      const rows = statements.tasks.all(JSON.stringify(taskIds));
      return rows.flatMap((row) => alive(row, now) ?? []);
    });
  }

  async update(taskId: string, guard: Guard, patch: Patch): Promise<UpdateOutcome> {
    const visible = isVisibleChange(patch);
    let seq: number | undefined;
    const outcome = await this.#write(({ statements, changes }): UpdateOutcome => {
      const now = this.#now();
      const task = alive(statements.task.get(taskId), now);
      if (!task || !guardHolds(task, guard, now)) return { applied: false, task };
      const next = applyPatch(task, patch, now);
      statements.update(next, patch);
      if (visible) seq = changes.log(next.position);
      return { applied: true, task: withPayloads(next) };
    });
    if (outcome.applied && visible) this.#opened?.changes.written(taskId, seq);
    return outcome;
  }

  async list({ scope, after, limit }: ListQuery): Promise<StoredTask[]> {
    return this.#run(({ statements }) => {
      const now = this.#now();
      const from = after ?? 0;
      const most = Math.floor(limit);
      let rows: TaskRow[];
      if (scope === null) rows = statements.listAll.all(from, now, most);
      else if (scope.owner === null || !scope.orUnowned) rows = statements.listOwner.all(scope.owner, from, now, most);
      else rows = statements.listOwnerAndUnowned.all(scope.owner, from, now, from, now, most);
      return rows.map((row) => toStored(row, now));
    });
  }

  async claim({ names, durationMs }: ClaimQuery): Promise<StoredTask | undefined> {
    const { lapsedFirst } = await this.#run((opened) => opened.claims.get());
    // Workers mostly find nothing, which takes no lock.
    if (!(await this.#run(() => firstOf(lapsedFirst, names, this.#now())))) return undefined;
    return this.#write(({ statements }) => {
      const now = this.#now();
      const found = firstOf(lapsedFirst, names, now);
      const row = found && statements.taskWith(BEFORE_THE_END).get(found.taskId);
      if (!row) return undefined;
      const patch: Patch = { lease: { action: "take", durationMs } };
      const claimed = applyPatch(toStored(row, now), patch, now);
      statements.update(claimed, patch);
      return { ...claimed, outcome: null };
    });
  }

  async deleteExpired(limit: number): Promise<number> {
    const tasks = await inBatches(limit, (most) =>
      this.#write(({ statements }) => deleteTasks(statements, statements.expired.all(this.#now(), most))),
    );
    const messages = await inBatches(limit, (most) => this.#run(async ({ messages }) => messages.deleteExpired(most)));
    return tasks + messages;
  }

  async push(taskId: string, message: string, maxSize: number | null, ttl: number): Promise<PushOutcome> {
    return this.#run(({ messages }) => messages.push(taskId, message, maxSize, ttl));
  }

  async shift(taskId: string, limit: number | null): Promise<string[]> {
    return this.#run(({ messages }) => messages.shift(taskId, limit));
  }

  async listen(onChange: (taskId?: string) => void): Promise<() => Promise<void>> {
    const stop = await this.#run(({ changes }) => changes.listen(onChange));
    return async () => stop();
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.transactions.flush();
    opened?.changes.close();
    if (this.#settings.path !== undefined) opened?.database.close();
  }

  #connect(): { storeId: string } {
    const { path, busyTimeoutMs, synchronous, namespace, migrate: mayMigrate, pollMs } = this.#settings;
    const database = this.#settings.database ?? openDatabase(path as string, busyTimeoutMs);
    try {
      // Before anything is written: a file that is not ours to use stays as it is.
      const version = versionOf(database, namespace);
      if (!mayMigrate && version !== SCHEMA_VERSION)
        throw mismatch("The store's tables are missing or of an older version: run migrate() first");
      if (path !== undefined) configure(database, synchronous);
      if (mayMigrate) migrate(database, { namespace });
      const tables = schema(namespace);
      const statements = new Statements(database, tables);
      const storeId = statements.storeId.get()?.storeId;
      if (storeId === undefined) throw unavailable("The table with the store's id is empty: restore a backup");
      const transactions = new Transactions(database);
      const messages = new Messages(database, tables, transactions, this.#now);
      this.#opened = {
        database,
        statements,
        transactions,
        messages,
        changes: new Changes(database, statements, transactions, pollMs),
        claims: claimsOnDemand(database, tables, transactions),
        caps: capsOnDemand(database, tables, transactions),
      };
      return { storeId };
    } catch (error) {
      if (path !== undefined) database.close();
      throw error;
    }
  }

  async #run<T>(call: (opened: Open) => T | Promise<T>): Promise<T> {
    if (!this.#opened) throw new TaskStoreError("STORE_CLOSED", "The database is not open");
    try {
      return await call(this.#opened);
    } catch (error) {
      throw toStoreError(error);
    }
  }

  #write<T>(change: (opened: Open) => T): Promise<T> {
    return this.#run((opened) => opened.transactions.write(() => change(opened)));
  }
}

function alive(row: TaskRow | undefined, now: number): StoredTask | undefined {
  return row && !isExpired(row, now) ? toStored(row, now) : undefined;
}

function capReached(counts: CapStatements, caps: Caps, owner: string | null, now: number) {
  const { activeTasks, activeTasksPerOwner } = caps;
  const reached = (cap: number, count: (limit: number) => { count: number } | undefined) =>
    (count(Math.ceil(cap))?.count ?? 0) >= cap;
  if (activeTasks !== null && reached(activeTasks, (limit) => counts.countActive.get(now, limit))) return "activeTasks";
  if (
    activeTasksPerOwner !== null &&
    reached(activeTasksPerOwner, (limit) => counts.countActiveOfOwner.get(owner, now, limit))
  )
    return "activeTasksPerOwner";
  return undefined;
}

/** One step down the index for each name, and no sorting, however many tasks are claimable. */
function firstOf(
  lapsedFirst: ClaimStatements["lapsedFirst"],
  names: readonly string[],
  now: number,
): TaskRow | undefined {
  const rows = names.flatMap((name) => lapsedFirst.get(name, now, now) ?? []);
  return rows.toSorted((a, b) => (a.leaseExpiresAt ?? 0) - (b.leaseExpiresAt ?? 0) || a.position - b.position)[0];
}

function deleteTasks(statements: Statements, tasks: readonly { position: number }[]): number {
  if (tasks.length > 0) statements.keepCounter.run();
  for (const { position } of tasks) {
    statements.deletePayloads.run(position);
    statements.deleteTask.run(position);
  }
  return tasks.length;
}

/** Deletes up to `limit` rows in transactions of bounded size, with a breath between them. */
async function inBatches(limit: number, run: (most: number) => Promise<number>): Promise<number> {
  let total = 0;
  for (;;) {
    const most = Math.min(DELETE_BATCH, Math.ceil(limit) - total);
    const deleted = await run(most);
    total += deleted;
    if (deleted < most || total >= limit) return total;
    await setImmediate();
  }
}
