import { setTimeout } from "node:timers/promises";
import { type Capabilities, TaskStoreError } from "@mcp-task-store/core";
import {
  applyPatch,
  type Caps,
  type ClaimQuery,
  type DeletionStep,
  type EventBackend,
  type Guard,
  guardHolds,
  type InsertOutcome,
  inSteps,
  isExpired,
  isVisibleChange,
  type LimitedClaimQuery,
  type ListQuery,
  mismatch,
  type NewTask,
  type OnChange,
  type OwnerScope,
  type Patch,
  type PayloadField,
  type PushOutcome,
  type RestoredTask,
  type Rewrite,
  realTime,
  type SearchPage,
  type SearchQuery,
  type Step,
  type StoredTask,
  type TaskBackend,
  type UpdateOutcome,
  unavailable,
  withPayloads,
} from "@mcp-task-store/core/backend";
import { type Connection, fileOf } from "./connection.ts";
import type { SqliteDatabase } from "./driver.ts";
import { isBusy, toStoreError } from "./errors.ts";
import { Events } from "./events.ts";
import { InTransaction } from "./in-transaction.ts";
import { hasCaps, insertTask } from "./insertion.ts";
import { ChangeFeed, type Wanted } from "./listen.ts";
import { Messages } from "./messages.ts";
import { migrateBy, SCHEMA_VERSION, versionOf } from "./migrate.ts";
import {
  type CapStatements,
  type ClaimStatements,
  capsOnDemand,
  claimsOnDemand,
  firstOf,
  type OnDemand,
} from "./on-demand.ts";
import { configure, connectionTo, openFile } from "./open.ts";
import { removeEnded, restoreTasks, rewriteTexts } from "./operators.ts";
import { type SqliteOptions, type SqliteSettings, sqliteSettings } from "./options.ts";
import { type TaskRow, toStored } from "./rows.ts";
import { Search } from "./search.ts";
import { Statements } from "./statements.ts";
import { Transactions } from "./transactions.ts";
import { type Turns, turnsOnDemand } from "./turns.ts";

/**
 * Most rows deleted in one transaction, so that other writers get their turn. (Median write during
 * a sweep: 1 ms at 100 rows, 6 ms at 500. Tasks deleted per second: 62,000 and 107,000.)
 */
const DELETE_BATCH = 100;

/** The payloads of an active task. Only the end of a task gives it an outcome. */
const BEFORE_THE_END = ["request", "inputs", "checkpoint"] as const;

/** The parts of a store whose database is open. */
interface Open {
  readonly database: Connection;
  readonly statements: Statements;
  readonly transactions: Transactions;
  readonly messages: Messages;
  readonly changes: ChangeFeed;
  readonly claims: OnDemand<ClaimStatements>;
  readonly turns: OnDemand<Turns>;
  readonly caps: OnDemand<CapStatements>;
  readonly search: Search;
  /** Most stores have no notifiers, so its statements are prepared on first use. */
  readonly events: () => Events;
}

/**
 * Tasks in an SQLite database. Each write is one synchronous transaction that holds the write lock
 * from its start. So the backend applies core's rules to the row it has just read, and SQL does not
 * repeat them.
 */
export class SqliteBackend implements TaskBackend {
  readonly capabilities: Capabilities;
  readonly events: EventBackend = {
    register: (...args) => this.#run(({ events }) => events().register(...args)),
    unregister: (name) => inSteps((wrote) => this.#run(({ events }) => events().unregister(name, wrote))),
    registered: () => this.#run(({ events }) => events().registered()),
    take: (...args) => this.#run(({ events }) => events().take(...args)),
    settle: (...args) => this.#run(({ events }) => events().settle(...args)),
    list: (...args) => this.#run(({ events }) => events().list(...args)),
    redeliver: (...args) => inSteps((wrote) => this.#run(({ events }) => events().redeliver(...args, wrote))),
  };
  readonly #settings: SqliteSettings;
  readonly #now: () => number;
  readonly #inTransaction: InTransaction;
  #opened: Open | undefined;

  /** @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or a wrong value */
  constructor(options: SqliteOptions) {
    this.#settings = sqliteSettings(options);
    const { path, database, clock } = this.#settings;
    this.#now = () => clock.now();
    this.#inTransaction = new InTransaction(this.#settings);
    const onDisk = database ? fileOf(connectionTo(database)) !== "" : path?.trim() !== ":memory:";
    this.capabilities = Object.freeze({ durable: onDisk, multiProcess: onDisk });
  }

  async open(): Promise<{ storeId: string }> {
    const deadline = realTime.now() + this.#settings.busyTimeoutMs;
    for (;;) {
      try {
        return this.#connect(await this.#connection());
      } catch (error) {
        // busyTimeoutMs does not cover the moment when another process switches the file to WAL.
        if (!isBusy(error) || realTime.now() > deadline) throw toStoreError(error);
      }
      await setTimeout(5 + Math.random() * 20);
    }
  }

  async insert(task: NewTask, caps: Caps): Promise<InsertOutcome> {
    const counts = hasCaps(caps) ? await this.#run((opened) => opened.caps.get()) : undefined;
    const outcome = await this.#write(({ statements }) => insertTask(statements, counts, task, caps, this.#now()));
    if ("inserted" in outcome) this.#opened?.changes.written(outcome.inserted, outcome.inserted.position);
    return outcome;
  }

  /** Inserts in the transaction that the application has open on this database. */
  insertIn(database: SqliteDatabase, task: NewTask, caps: Caps): InsertOutcome {
    const outcome = this.#inTransaction.insert(this.#opened?.database, database, task, caps);
    if ("inserted" in outcome && database === this.#settings.database)
      this.#opened?.changes.uncommitted(outcome.inserted.position);
    return outcome;
  }

  async read(taskId: string, scope: OwnerScope, payloads: readonly PayloadField[]): Promise<StoredTask | undefined> {
    return this.#run(({ statements }) => alive(statements.read(taskId, scope, payloads), this.#now()));
  }

  async readMany(taskIds: readonly string[], payloads: readonly PayloadField[]): Promise<StoredTask[]> {
    return this.#run(({ statements }) => {
      const now = this.#now();
      return statements.readMany(taskIds, payloads).flatMap((row) => alive(row, now) ?? []);
    });
  }

  async update(taskId: string, guard: Guard, patch: Patch): Promise<UpdateOutcome> {
    const visible = isVisibleChange(patch);
    let seq: number | undefined;
    const outcome = await this.#write(({ statements, changes }): UpdateOutcome => {
      const now = this.#now();
      const task = alive(statements.read(taskId, guard.scope, historyFor(patch)), now);
      if (!task || !guardHolds(task, guard, now)) return { applied: false, task: task && withPayloads(task) };
      const next = applyPatch(task, patch, now);
      statements.update(next, patch);
      if (visible) seq = changes.log(next);
      return { applied: true, task: withPayloads(next) };
    });
    if (outcome.applied && visible) this.#opened?.changes.written(outcome.task, seq);
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

  async claim({ names, leaseMs, limit, history }: ClaimQuery): Promise<StoredTask[]> {
    const { lapsedFirst } = await this.#run((opened) => opened.claims.get());
    // Most claims find nothing. This check takes no lock.
    const check = ({ statements }: Open) => firstOf(lapsedFirst, statements.withoutPaused(names), this.#now());
    if (!(await this.#run(check))) return [];
    return this.#write(({ statements }) => {
      const now = this.#now();
      const free = statements.withoutPaused(names);
      const patch: Patch = { lease: { action: "take", leaseMs }, history };
      const claimed: StoredTask[] = [];
      while (claimed.length < limit) {
        const found = firstOf(lapsedFirst, free, now);
        if (!found) break;
        claimed.push(taken(statements, found, patch, now));
      }
      return claimed;
    });
  }

  async claimLimited(query: LimitedClaimQuery): Promise<StoredTask[]> {
    const [{ lapsedFirst }, turns] = await this.#run(
      async ({ claims, turns }) => [await claims.get(), await turns.get()] as const,
    );
    const { name } = query;
    // Without a lock, as most claims find nothing. The first check does not go from owner to owner.
    const check = ({ statements }: Open) => {
      const now = this.#now();
      const free = statements.withoutPaused([name]);
      return firstOf(lapsedFirst, free, now) !== undefined && turns.canClaim(query, now);
    };
    if (!(await this.#run(check))) return [];
    return this.#write(({ statements }) => {
      const now = this.#now();
      if (statements.withoutPaused([name]).length === 0) return [];
      return turns.claim(query, now, (head, patch) => taken(statements, head, patch, now));
    });
  }

  async deleteExpired(limit: number): Promise<DeletionStep> {
    const most = Math.min(limit, DELETE_BATCH);
    return inSteps(async (wrote) => {
      const tasks = await this.#write(({ statements }) =>
        statements.deleteTasks(statements.expired.all(this.#now(), most)),
      );
      if (tasks > 0) wrote();
      const messages = await this.#run(async ({ messages }) => messages.deleteExpired(most));
      return { deleted: tasks + messages, more: tasks >= most || messages >= most };
    });
  }

  async push(taskId: string, message: string, maxSize: number | null, ttl: number): Promise<PushOutcome> {
    return this.#run(({ messages }) => messages.push(taskId, message, maxSize, ttl));
  }

  async shift(taskId: string, limit: number | null): Promise<string[]> {
    return this.#run(({ messages }) => messages.shift(taskId, limit));
  }

  listen(onChange: OnChange): Promise<() => Promise<void>> {
    return this.#listen(onChange, "every");
  }

  listenForClaims(onChange: OnChange): Promise<() => Promise<void>> {
    return this.#listen(onChange, "claimable");
  }

  async #listen(onChange: OnChange, wanted: Wanted): Promise<() => Promise<void>> {
    const stop = await this.#run(({ changes }) => changes.listen(onChange, wanted));
    return async () => stop();
  }

  async search(query: SearchQuery): Promise<SearchPage> {
    return this.#run((opened) => opened.search.find(query));
  }

  async remove(taskIds: readonly string[]): Promise<string[]> {
    return inSteps(async (wrote) => {
      const removed: string[] = [];
      for (let index = 0; index < taskIds.length; index += DELETE_BATCH) {
        const batch = taskIds.slice(index, index + DELETE_BATCH);
        removed.push(...(await this.#write((opened) => removeEnded(opened, batch, this.#now()))));
        if (removed.length > 0) wrote();
      }
      return removed;
    });
  }

  async pauses({ pause, resume }: { pause: readonly string[]; resume: readonly string[] }): Promise<string[]> {
    const all = ({ statements }: Open) => statements.paused.all().map(({ name }) => name);
    if (pause.length + resume.length === 0) return this.#run(all);
    return this.#write((opened) => {
      for (const name of pause) opened.statements.pause.run(name);
      for (const name of resume) opened.statements.resume.run(name);
      return all(opened);
    });
  }

  async restore(tasks: readonly RestoredTask[]): Promise<string[]> {
    const restored = await this.#write((opened) => restoreTasks(opened, tasks, this.#now()));
    for (const task of restored) this.#opened?.changes.written(task, task.position);
    return restored.map(({ taskId }) => taskId);
  }

  async messagesOf(taskIds: readonly string[]): Promise<{ taskId: string; message: string; expiresAt: number }[]> {
    return this.#run(({ messages }) =>
      taskIds.flatMap((taskId) =>
        messages.peek(taskId).map(({ body, expiresAt }) => ({ taskId, message: body, expiresAt })),
      ),
    );
  }

  async stepsOf(taskIds: readonly string[]): Promise<({ taskId: string } & Step)[]> {
    return this.#run(({ statements }) => {
      const now = this.#now();
      const tasks = statements.readMany(taskIds, []).filter((row) => !isExpired(row, now));
      return tasks.flatMap(({ taskId, position }) =>
        statements.steps.all(position).map(({ name, body }) => ({ taskId, name, body })),
      );
    });
  }

  async rewrite(taskId: string, texts: readonly Rewrite[]): Promise<boolean[]> {
    return this.#write((opened) => rewriteTexts(opened, taskId, texts, this.#now()));
  }

  /** There is one writer at a time, and it takes positions from the counter. */
  async settled(): Promise<number> {
    return this.#run(({ statements }) => statements.lastChange.get()?.seq ?? 0);
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.transactions.flush();
    opened?.changes.close();
    this.#inTransaction.release();
    if (opened) this.#leave(opened.database);
  }

  /** A new connection to the file, or one over the application's database. */
  async #connection(): Promise<Connection> {
    const { path, database, driver, busyTimeoutMs } = this.#settings;
    return database ? connectionTo(database) : openFile(path as string, driver, busyTimeoutMs);
  }

  #leave(database: Connection): void {
    if (this.#settings.database) database.release();
    else database.close();
  }

  #connect(database: Connection): { storeId: string } {
    const { path, synchronous, tablePrefix, migrate: mayMigrate, changePollMs } = this.#settings;
    try {
      // Checked before any write, so that a file of another version stays unchanged.
      const version = versionOf(database, tablePrefix);
      if (!mayMigrate && version !== SCHEMA_VERSION)
        throw mismatch("The store's tables are missing or of an older version: run migrate() first");
      if (path !== undefined) configure(database, synchronous);
      if (mayMigrate) migrateBy(database, tablePrefix);
      const statements = new Statements(database, tablePrefix);
      const storeId = statements.storeId.get()?.storeId;
      if (storeId === undefined) throw unavailable("The table with the store's id is empty: restore a backup");
      const transactions = new Transactions(database);
      const messages = new Messages(database, tablePrefix, transactions, this.#now);
      let events: Events | undefined;
      this.#opened = {
        database,
        statements,
        transactions,
        messages,
        changes: new ChangeFeed(database, statements, transactions, changePollMs, this.#now),
        claims: claimsOnDemand(database, tablePrefix, transactions),
        turns: turnsOnDemand(database, tablePrefix, transactions),
        caps: capsOnDemand(database, tablePrefix, transactions),
        search: new Search(database, tablePrefix, transactions, this.#now),
        events: () => (events ??= new Events(database, tablePrefix, transactions, this.#now)),
      };
      return { storeId };
    } catch (error) {
      this.#leave(database);
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

/** The found task with a new lease, in the present transaction. */
function taken(statements: Statements, { taskId }: TaskRow, patch: Patch, now: number): StoredTask {
  const row = statements.read(taskId, null, [...BEFORE_THE_END, ...historyFor(patch)]) as TaskRow;
  const task = applyPatch(toStored(row, now), patch, now);
  statements.update(task, patch);
  return { ...task, outcome: null };
}

/** What a write has to read, so that it can append to the task's history. */
function historyFor(patch: Patch): readonly "history"[] {
  return patch.history === undefined ? [] : ["history"];
}
