import {
  type Capabilities,
  type Caps,
  type ClaimQuery,
  type Guard,
  guardHolds,
  type InsertOutcome,
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
} from "@mcp-task-store/core";
import { Connections } from "./connection.ts";
import { mismatch, toStoreError, unavailable } from "./errors.ts";
import { ChangeFeed, type FeedState } from "./listen.ts";
import { Messages } from "./messages.ts";
import { migrateWith, SCHEMA_VERSION, versionOf } from "./migrate.ts";
import { Notifier } from "./notify.ts";
import { type PostgresOptions, type PostgresSettings, postgresSettings } from "./options.ts";
import { namesOf, read } from "./rows.ts";
import { schema } from "./schema.ts";
import { Statements } from "./statements.ts";

const CAPABILITIES: Capabilities = Object.freeze({ durable: true, multiProcess: true });

/** Most rows deleted by one statement, so that none takes long. */
const DELETE_BATCH = 500;
/** How often a write is repeated whose refusal is not explained by the row that came with it. */
const ATTEMPTS = 50;

/** Tasks in a PostgreSQL database, on its clock. */
export class PostgresBackend implements TaskBackend {
  readonly capabilities: Capabilities = CAPABILITIES;
  readonly #settings: PostgresSettings;
  readonly #report: (error: TaskStoreError) => void;
  readonly #connections: Connections;
  readonly #statements: Statements;
  readonly #messages: Messages;
  readonly #feeds = new Set<ChangeFeed>();
  readonly #feedState: FeedState;
  #notifier: Notifier | undefined;

  /**
   * @param report Told of what is not as it should be but fails no call. Default: a process warning.
   * @throws TaskStoreError `INVALID_ARGUMENT` for an option that cannot be right
   */
  constructor(options: PostgresOptions, report?: (error: TaskStoreError) => void) {
    const settings = postgresSettings(options);
    const tables = schema(settings.schema);
    this.#settings = settings;
    this.#report = report ?? ((error) => process.emitWarning(error));
    this.#connections = new Connections(settings);
    this.#statements = new Statements(settings.schema, tables);
    this.#messages = new Messages(this.#connections, settings.schema, tables);
    this.#feedState = { listenAfter: settings.listen ? 0 : Number.POSITIVE_INFINITY, degraded: false };
  }

  async open(): Promise<{ storeId: string }> {
    const { schema: schemaName, migrate } = this.#settings;
    if (migrate) await migrateWith(this.#connections, schemaName);
    else if ((await versionOf(this.#connections, schemaName)) !== SCHEMA_VERSION)
      throw mismatch("The store's tables are missing or of an older version: run migrate() first");
    const { store } = namesOf(schemaName, schema(schemaName));
    const identity = read<[], { storeId: string; encoding: string }>(
      "store",
      `SELECT store_id AS "storeId", current_setting('server_encoding') AS encoding FROM ${store} WHERE id = 1`,
    );
    const [row] = await this.#connections.run(identity);
    if (!row) throw unavailable("The table with the store's id is empty: restore a backup");
    if (row.encoding !== "UTF8")
      throw mismatch("The database's encoding must be UTF8, or some texts could not be kept");
    this.#notifier ??= new Notifier(this.#connections, row.storeId);
    return { storeId: row.storeId };
  }

  async insert(task: NewTask, caps: Caps): Promise<InsertOutcome> {
    const capped = caps.activeTasks !== null || caps.activeTasksPerOwner !== null;
    const outcome = await (capped ? this.#insertCapped(task, caps) : this.#insert(this.#connections, task));
    if ("inserted" in outcome) this.#changed(task.taskId);
    return outcome;
  }

  async read(taskId: string, scope: OwnerScope, payloads: readonly PayloadField[]): Promise<StoredTask | undefined> {
    const { statement, parameters } = this.#statements.read(taskId, scope, payloads);
    const [task] = await this.#connections.run(statement, ...parameters);
    return task;
  }

  readMany(taskIds: readonly string[]): Promise<StoredTask[]> {
    return this.#connections.run(this.#statements.tasks, taskIds);
  }

  async update(taskId: string, guard: Guard, patch: Patch): Promise<UpdateOutcome> {
    const { statement, parameters } = this.#statements.update(taskId, guard, patch);
    for (let attempt = 1; ; attempt += 1) {
      const [updated] = await this.#connections.run(statement, ...parameters);
      if (updated) {
        if (isVisibleChange(patch)) this.#changed(taskId);
        return { applied: true, task: updated };
      }
      // Within the update's statement this would be set up for updates that are applied as well: 5 to 9 % of the processors'
      // time for a lifecycle, the client's included.
      const task = await this.read(taskId, null, []);
      // What came between the two may let it pass now.
      if (!task || !guardHolds(task, guard, task.readAt) || attempt === ATTEMPTS) return { applied: false, task };
    }
  }

  list({ scope, after, limit }: ListQuery): Promise<StoredTask[]> {
    const { listAll, listOwner, listUnowned, listOwnerAndUnowned } = this.#statements;
    const page = [after ?? 0, Math.floor(limit)] as const;
    if (scope === null) return this.#connections.run(listAll, ...page);
    if (scope.owner === null) return this.#connections.run(listUnowned, ...page);
    return this.#connections.run(scope.orUnowned ? listOwnerAndUnowned : listOwner, ...page, scope.owner);
  }

  async claim({ names, durationMs }: ClaimQuery): Promise<StoredTask | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      const [row] = await this.#connections.run(this.#statements.claim, names, Math.ceil(durationMs));
      if (!row) return undefined;
      const { found, ...task } = row;
      if (task.taskId !== null) return task;
      // Others have locked all that is claimable, but need not take it.
      if (!found || attempt === ATTEMPTS) return undefined;
    }
  }

  async deleteExpired(limit: number): Promise<number> {
    const tasks = await inBatches(limit, async (most) => {
      const [row] = await this.#connections.run(this.#statements.deleteExpired, most);
      return row?.count ?? 0;
    });
    return tasks + (await inBatches(limit, (most) => this.#messages.deleteExpired(most)));
  }

  push(taskId: string, message: string, maxSize: number | null, ttl: number): Promise<PushOutcome> {
    return this.#messages.push(taskId, message, maxSize, ttl);
  }

  shift(taskId: string, limit: number | null): Promise<string[]> {
    return this.#messages.shift(taskId, limit);
  }

  async listen(onChange: (taskId?: string) => void): Promise<() => Promise<void>> {
    if (!this.#notifier) throw new TaskStoreError("STORE_CLOSED", "The store is not open");
    const feed = new ChangeFeed(
      {
        connections: this.#connections,
        statements: this.#statements,
        notifier: this.#notifier,
        pollMs: this.#settings.pollMs,
        state: this.#feedState,
        report: this.#report,
      },
      onChange,
    );
    this.#feeds.add(feed);
    const stop = () => {
      this.#feeds.delete(feed);
      return feed.stop();
    };
    try {
      await feed.start();
      return stop;
    } catch (error) {
      await stop();
      throw toStoreError(error);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#feeds].map((feed) => feed.stop()));
    this.#feeds.clear();
    // What this store changed last is still told to others.
    await this.#notifier?.flush();
    await this.#connections.close();
  }

  async #insert(runner: Pick<Connections, "run">, task: NewTask): Promise<InsertOutcome> {
    const { insert, insertInPlace } = this.#statements;
    const { taskId, owner, name, ttl, pollInterval, request, claimAfterMs } = task;
    const values = [taskId, owner, name, ttl, pollInterval, request, Math.ceil(claimAfterMs)] as const;
    let [inserted] = await runner.run(insert, ...values);
    if (!inserted) [inserted] = await runner.run(insertInPlace, ...values);
    return inserted ? { inserted } : { refused: "duplicate" };
  }

  /** Whoever counts to a cap waits for who did so before, and then sees what that one inserted. */
  async #insertCapped(task: NewTask, { activeTasks, activeTasksPerOwner }: Caps): Promise<InsertOutcome> {
    const { lockCap, caps } = this.#statements;
    const lockName = (whose: unknown) => JSON.stringify(["mcp-task-store cap", this.#settings.schema, whose]);
    return this.#connections.transaction(async (transaction): Promise<InsertOutcome> => {
      if (activeTasks !== null) await transaction.run(lockCap, lockName("all"));
      if (activeTasksPerOwner !== null) await transaction.run(lockCap, lockName([task.owner]));
      const most = [activeTasks, activeTasksPerOwner].map((cap) => (cap === null ? null : Math.ceil(cap))) as [
        number | null,
        number | null,
      ];
      const [found] = await transaction.run(caps, task.taskId, task.owner, ...most);
      if (found?.duplicate) return { refused: "duplicate" };
      if (found?.activeTasks) return { refused: "activeTasks" };
      if (found?.activeTasksPerOwner) return { refused: "activeTasksPerOwner" };
      return this.#insert(transaction, task);
    });
  }

  /** A change is committed: whoever listens here is told at once, other processes soon. */
  #changed(taskId: string): void {
    for (const feed of this.#feeds) feed.written(taskId);
    this.#notifier?.changed(taskId);
  }
}

/** Deletes up to `limit` rows by statements of bounded size. */
async function inBatches(limit: number, run: (most: number) => Promise<number>): Promise<number> {
  let total = 0;
  for (;;) {
    const most = Math.min(DELETE_BATCH, Math.ceil(limit) - total);
    const deleted = await run(most);
    total += deleted;
    if (deleted < most || total >= limit) return total;
  }
}
