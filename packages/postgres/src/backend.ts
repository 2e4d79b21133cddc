import { type Capabilities, TaskStoreError } from "@mcp-task-store/core";
import {
  aboutChange,
  type BackendHost,
  type Caps,
  type ClaimQuery,
  type DeletionStep,
  type Guard,
  guardHolds,
  type InsertOutcome,
  inSteps,
  isStepText,
  isTaskText,
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
  type SearchPage,
  type SearchQuery,
  type Step,
  type StoredTask,
  stepOf,
  type TaskBackend,
  type TaskText,
  type UpdateOutcome,
  unavailable,
} from "@mcp-task-store/core/backend";
import { Claims } from "./claims.ts";
import { Connections, type Runner, type Transaction } from "./connection.ts";
import { Creations } from "./creations.ts";
import type { TransactionClient } from "./driver.ts";
import { Events } from "./events.ts";
import { InTransaction } from "./in-transaction.ts";
import { ChangeFeed } from "./listen.ts";
import { Messages } from "./messages.ts";
import { migrateWith, SCHEMA_VERSION, versionOf } from "./migrate.ts";
import { namesOf } from "./names.ts";
import { Notifier } from "./notify.ts";
import { type PostgresOptions, type PostgresSettings, postgresSettings } from "./options.ts";
import { Search } from "./search.ts";
import { Settled } from "./settled.ts";
import { read } from "./statement.ts";
import { RESTORED, Statements } from "./statements.ts";
import { Turns } from "./turns.ts";

const CAPABILITIES: Capabilities = { durable: true, multiProcess: true };

/** Most rows deleted by one statement, so that none takes long. */
const DELETE_BATCH = 500;
/** Most attempts of a write whose refusal contradicts the row read after it. */
const ATTEMPTS = 50;

/** Tasks in a PostgreSQL database, on its clock. */
export class PostgresBackend implements TaskBackend {
  readonly capabilities: Capabilities;
  readonly events: Events;
  readonly #settings: PostgresSettings;
  readonly #connections: Connections;
  /** Where the store listens for changes. */
  readonly #listening: Connections;
  readonly #statements: Statements;
  readonly #creations: Creations;
  readonly #claims: Claims;
  readonly #turns: Turns;
  readonly #messages: Messages;
  readonly #search: Search;
  readonly #settled: Settled;
  #storeId = "";
  #notifier: Notifier | undefined;
  #changes: ChangeFeed | undefined;

  /** @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or a wrong value */
  constructor(options: PostgresOptions) {
    const settings = postgresSettings(options);
    this.#settings = settings;
    this.capabilities = Object.freeze({ ...CAPABILITIES, ...settings.pool?.capabilities });
    this.#connections = new Connections(settings);
    const { listenConnectionString, listenPool } = settings;
    this.#listening =
      listenConnectionString === undefined && listenPool === undefined
        ? this.#connections
        : new Connections({ ...settings, connectionString: listenConnectionString, pool: listenPool });
    this.#statements = new Statements(settings.schema);
    this.#creations = new Creations(this.#connections, this.#statements, settings.schema);
    this.#claims = new Claims(this.#connections, this.#statements);
    this.#turns = new Turns(this.#connections, settings.schema);
    this.#messages = new Messages(this.#connections, settings.schema);
    this.#search = new Search(this.#connections, settings.schema);
    this.#settled = new Settled(this.#connections, settings.schema);
    this.events = new Events(this.#connections, settings.schema);
  }

  async open(host: BackendHost): Promise<{ storeId: string }> {
    try {
      return await this.#open(host);
    } catch (error) {
      this.#connections.reset();
      throw error;
    }
  }

  async insert(task: NewTask, caps: Caps): Promise<InsertOutcome> {
    const outcome = await this.#creations.insert(task, caps);
    if ("inserted" in outcome) this.#changed(outcome.inserted);
    return outcome;
  }

  /**
   * The insert in the transaction that the application has open on this client. It needs an open
   * backend.
   * @throws TaskStoreError `INVALID_ARGUMENT` for anything that runs no queries
   */
  insertIn(client: TransactionClient): (task: NewTask, caps: Caps) => Promise<InsertOutcome> {
    const transaction = new InTransaction(client, this.#connections);
    const insert = async (task: NewTask, caps: Caps) => {
      await transaction.check(this.#settings.schema, this.#storeId, caps);
      const outcome = await this.#creations.insertIn(transaction, task, caps);
      if ("inserted" in outcome)
        await this.#notifier?.changedIn(transaction, task.taskId, aboutChange(outcome.inserted));
      return outcome;
    };
    return (task, caps) => this.#connections.hold(insert(task, caps));
  }

  async read(taskId: string, scope: OwnerScope, payloads: readonly PayloadField[]): Promise<StoredTask | undefined> {
    const { statement, parameters } = this.#statements.read(taskId, scope, payloads);
    const [task] = await this.#connections.run(statement, ...parameters);
    if (!task && scope !== null) await this.#connections.run(this.#statements.evenOut, taskId);
    return task;
  }

  readMany(taskIds: readonly string[], payloads: readonly PayloadField[]): Promise<StoredTask[]> {
    const { statement, parameters } = this.#statements.readMany(taskIds, payloads);
    return this.#connections.run(statement, ...parameters);
  }

  async update(taskId: string, guard: Guard, patch: Patch): Promise<UpdateOutcome> {
    const { statement, parameters } = this.#statements.update(taskId, guard, patch);
    for (let attempt = 1; ; attempt += 1) {
      const [updated] = await this.#connections.run(statement, ...parameters);
      if (updated) {
        if (isVisibleChange(patch)) this.#changed(updated);
        return { applied: true, task: updated };
      }
      // A separate statement: inside the update's statement, PostgreSQL would also prepare this
      // read for each applied update. (CPU per lifecycle, client included: +5-9 %.)
      const task = await this.read(taskId, guard.scope, []);
      // A change between the two statements may let the update pass now.
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

  claim(query: ClaimQuery): Promise<StoredTask[]> {
    return this.#connections.hold(this.#claims.claim(query));
  }

  claimLimited(query: LimitedClaimQuery): Promise<StoredTask[]> {
    return this.#connections.hold(this.#turns.claim(query));
  }

  async deleteExpired(limit: number): Promise<DeletionStep> {
    const most = Math.min(limit, DELETE_BATCH);
    return inSteps(async (wrote) => {
      const [row] = await this.#connections.run(this.#statements.deleteExpired, most);
      const tasks = row?.count ?? 0;
      if (tasks > 0) wrote();
      const messages = await this.#messages.deleteExpired(most);
      return { deleted: tasks + messages, more: tasks >= most || messages >= most };
    });
  }

  push(taskId: string, message: string, maxSize: number | null, ttl: number): Promise<PushOutcome> {
    return this.#messages.push(taskId, message, maxSize, ttl);
  }

  shift(taskId: string, limit: number | null): Promise<string[]> {
    return this.#messages.shift(taskId, limit);
  }

  async listen(onChange: OnChange): Promise<() => Promise<void>> {
    if (!this.#changes) throw new TaskStoreError("STORE_CLOSED", "The store is not open");
    return this.#changes.listen(onChange);
  }

  search(query: SearchQuery): Promise<SearchPage> {
    return this.#search.find(query);
  }

  async remove(taskIds: readonly string[]): Promise<string[]> {
    const removed = await this.#connections.run(this.#statements.remove, taskIds);
    return removed.map(({ taskId }) => taskId);
  }

  async pauses({ pause, resume }: { pause: readonly string[]; resume: readonly string[] }): Promise<string[]> {
    const { pause: add, resume: takeAway, paused } = this.#statements;
    const all = async (runner: Runner) => (await runner.run(paused)).map(({ name }) => name);
    if (pause.length + resume.length === 0) return all(this.#connections);
    const change = async (transaction: Transaction) => {
      if (pause.length > 0) await transaction.run(add, pause);
      if (resume.length > 0) await transaction.run(takeAway, resume);
      return all(transaction);
    };
    return this.#connections.transaction(change);
  }

  async restore(tasks: readonly RestoredTask[]): Promise<string[]> {
    const { deleteExpiredOf, restore, restoreStep } = this.#statements;
    const restored = await this.#connections.transaction(async (transaction) => {
      await transaction.run(
        deleteExpiredOf,
        tasks.map(({ taskId }) => taskId),
      );
      const written: StoredTask[] = [];
      for (const task of tasks) {
        const [row] = await transaction.run(restore, ...RESTORED.map((field) => task[field]));
        if (!row) continue;
        written.push(row);
        for (const { name, body } of task.steps) await transaction.run(restoreStep, row.position, name, body);
        for (const { message, expiresAt } of task.messages)
          await this.#messages.restore(transaction, task.taskId, message, expiresAt);
      }
      return written;
    });
    for (const task of restored) this.#changed(task);
    return restored.map(({ taskId }) => taskId);
  }

  messagesOf(taskIds: readonly string[]): Promise<{ taskId: string; message: string; expiresAt: number }[]> {
    return this.#messages.peek(taskIds);
  }

  stepsOf(taskIds: readonly string[]): Promise<({ taskId: string } & Step)[]> {
    return this.#connections.run(this.#statements.steps, taskIds);
  }

  rewrite(taskId: string, texts: readonly Rewrite[]): Promise<boolean[]> {
    const ofTask = texts.filter(isTaskText);
    // The task comes first: a removal locks it first, too.
    return this.#connections.transaction(async (transaction) => {
      let replaced: Partial<Record<TaskText, boolean>> = {};
      if (ofTask.length > 0) {
        const { statement, parameters } = this.#statements.rewrite(taskId, ofTask);
        replaced = (await transaction.run(statement, ...parameters))[0] ?? {};
      }
      const done: boolean[] = [];
      for (const { field, from, to } of texts) {
        if (field === "message") done.push(await this.#messages.rewrite(transaction, taskId, from, to));
        else if (isStepText(field)) {
          const rows = await transaction.run(this.#statements.rewriteStep, taskId, stepOf(field), from, to);
          done.push(rows.length > 0);
        } else done.push(replaced[field] === true);
      }
      return done;
    });
  }

  settled(): Promise<number> {
    return this.#settled.position();
  }

  async close(): Promise<void> {
    await this.#changes?.close();
    // Other processes still hear of this store's last changes.
    await this.#notifier?.flush();
    await this.#connections.close();
    if (this.#listening !== this.#connections) await this.#listening.close();
  }

  async #open({ report }: BackendHost): Promise<{ storeId: string }> {
    const { schema: schemaName, migrate } = this.#settings;
    if (migrate) await migrateWith(this.#connections, schemaName);
    else if ((await versionOf(this.#connections, schemaName)) !== SCHEMA_VERSION)
      throw mismatch("The store's tables are missing or of an older version: run migrate() first");
    const { store } = namesOf(schemaName);
    const identity = read<[], { storeId: string; encoding: string }>(
      "store",
      `SELECT store_id AS "storeId", current_setting('server_encoding') AS encoding FROM ${store} WHERE id = 1`,
    );
    const [row] = await this.#connections.run(identity);
    if (!row) throw unavailable("The table with the store's id is empty: restore a backup");
    if (row.encoding !== "UTF8")
      throw mismatch("The database's encoding must be UTF8, or some texts could not be kept");
    this.#storeId = row.storeId;
    this.#notifier ??= new Notifier(this.#connections, row.storeId);
    this.#changes ??= new ChangeFeed({
      connections: this.#connections,
      listening: this.#listening,
      statements: this.#statements,
      notifier: this.#notifier,
      listen: this.#settings.listen,
      changePollMs: this.#settings.changePollMs,
      report,
    });
    return { storeId: row.storeId };
  }

  /** A change is committed. Listeners of this store hear of it at once, other processes soon. */
  #changed(task: StoredTask): void {
    const about = aboutChange(task);
    this.#changes?.written(task.taskId, about);
    this.#notifier?.changed(task.taskId, about);
  }
}
