import { allDone } from "../../backend/in-steps.ts";
import type { Patch, TaskBackend } from "../../backend/task-backend.ts";
import { isStorableKey } from "../../contract/checks.ts";
import { cannotUpdate, invalid, isTaskStoreError, notFound, notSupported } from "../../contract/errors.ts";
import type { EventPage, ListEventsOptions, NotifierStatus, RedeliverOptions } from "../../contract/events.ts";
import {
  BULK_OPTIONS,
  CANCEL_TASKS_OPTIONS,
  EXPORT_OPTIONS,
  IMPORT_OPTIONS,
  LIST_RECORDS_OPTIONS,
  OPERATOR_FIELDS,
  OPERATOR_RECORD_OPTIONS,
  RERUN_OPTIONS,
  ROTATE_OPTIONS,
  STATS_OPTIONS,
} from "../../contract/operation-options.ts";
import type {
  BulkOptions,
  BulkOutcome,
  CancelTasksOptions,
  ExportedTask,
  ExportOptions,
  ImportOptions,
  ImportOutcome,
  ListRecordsOptions,
  OperatorField,
  OperatorRecordWith,
  RecordPage,
  RerunOptions,
  RotateOptions,
  RotationOutcome,
  StatsOptions,
  TaskFilter,
  TaskOperations,
  TaskStats,
} from "../../contract/operations.ts";
import { checkOptions } from "../../contract/option-checks.ts";
import type { TaskSnapshot } from "../../contract/record.ts";
import { isTerminal, type Task } from "../../contract/task.ts";
import type { BackendGateway } from "../backend-gateway.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import type { Events } from "../events.ts";
import type { Inputs } from "../inputs.ts";
import { changePatch } from "../patches.ts";
import { toSnapshot } from "../snapshot.ts";
import { bulk, search } from "./bulk.ts";
import { conditionOf, STUCK } from "./filter.ts";
import { historyLine, isGivenBack } from "./history.ts";
import { payloadsFor, toOperatorRecord } from "./records.ts";
import { rerun } from "./rerun.ts";
import { type Coded, rotate } from "./rotate.ts";
import { statsOf } from "./stats.ts";
import { exportTasks, importTasks } from "./transfer.ts";

const ANYONE = { scope: null } as const;

/** The operators' part of a store. */
export class Operations implements TaskOperations {
  readonly #gateway: BackendGateway;
  readonly #inputs: Inputs;
  readonly #events: Events;
  readonly #coded: Coded | undefined;

  /** @param coded The codec of the store, if it has one, with the backend below it. */
  constructor(gateway: BackendGateway, inputs: Inputs, events: Events, coded: Coded | undefined) {
    this.#gateway = gateway;
    this.#coded = coded;
    this.#inputs = inputs;
    this.#events = events;
  }

  async listRecords<Field extends OperatorField = never>(
    options: ListRecordsOptions<Field> = {},
  ): Promise<RecordPage<Field>> {
    checkOptions("listRecords", options, LIST_RECORDS_OPTIONS);
    const { where = {}, order = "newest", limit = 50, cursor, scan = 100_000, fields = [] } = options;
    const condition = conditionOf(where, "listRecords");
    if (fields.length > 0 && limit > 100) throw invalid("limit must be a number from 1 to 100 beside fields");
    const { storeId } = await this.#gateway.open();
    // Another scope than that of any list, so that no cursor of a list opens here.
    const scope = { owner: `operations, ${order}`, orUnowned: true };
    const after = cursor === undefined ? null : decodeCursor(storeId, scope, cursor);
    const page = { order, after, limit, scan, payloads: payloadsFor(fields) };
    const { tasks, scanned, next } = await search(this.#gateway, condition, page);
    const stuck = { ...STUCK, ...condition.filter.stuck };
    return {
      records: tasks.map((task) => toOperatorRecord(task, fields, stuck) as unknown as OperatorRecordWith<Field>),
      ...(next === null ? {} : { nextCursor: encodeCursor(storeId, scope, next) }),
      scanned,
    };
  }

  async getRecord<Field extends OperatorField = OperatorField>(
    taskId: string,
    options: { fields?: readonly Field[] | undefined } = {},
  ): Promise<OperatorRecordWith<Field> | null> {
    checkOptions("getRecord", options, OPERATOR_RECORD_OPTIONS);
    const fields: readonly OperatorField[] = options.fields ?? OPERATOR_FIELDS;
    const task = await this.#gateway.read(taskId, null, payloadsFor(fields));
    return task ? (toOperatorRecord(task, fields) as unknown as OperatorRecordWith<Field>) : null;
  }

  async stats(options: StatsOptions = {}): Promise<TaskStats> {
    checkOptions("stats", options, STATS_OPTIONS);
    return statsOf(this.#gateway, options, await this.#paused());
  }

  async cancelTasks(where: TaskFilter, options: CancelTasksOptions = {}): Promise<BulkOutcome> {
    checkOptions("cancelTasks", options, CANCEL_TASKS_OPTIONS);
    const condition = conditionOf(where, "cancelTasks");
    const { dryRun, statusMessage = "The task was cancelled." } = options;
    const patch = changePatch("", { status: "cancelled", statusMessage }, this.#gateway.encode);
    return bulk(this.#gateway, condition, options, (tasks, wrote) =>
      allDone(
        tasks.map(async ({ taskId, status, revision }) => {
          if (isTerminal(status)) return "ended";
          if (dryRun) return "done";
          if (!(await this.#wrote(taskId, revision, patch))) return "changed";
          wrote();
          return "done";
        }),
      ),
    );
  }

  async removeTasks(where: TaskFilter, options: BulkOptions = {}): Promise<BulkOutcome> {
    checkOptions("removeTasks", options, BULK_OPTIONS);
    const condition = conditionOf(where, "removeTasks");
    const remove = await this.#optional("remove", "remove tasks");
    return bulk(this.#gateway, condition, options, async (tasks, wrote) => {
      const ended = tasks.filter(({ status }) => isTerminal(status)).map(({ taskId }) => taskId);
      const removes = !options.dryRun && ended.length > 0;
      const removed = new Set(removes ? await this.#gateway.call(() => remove(ended)) : ended);
      if (removes && removed.size > 0) wrote();
      return tasks.map(({ taskId, status }) => {
        if (!isTerminal(status)) return "active";
        return removed.has(taskId) ? "done" : "changed";
      });
    });
  }

  async requeueTask(taskId: string): Promise<TaskSnapshot> {
    for (;;) {
      const task = await this.#gateway.read(taskId, null);
      if (!task) throw notFound(taskId);
      if (isTerminal(task.status)) throw cannotUpdate(taskId, task.status, undefined);
      const lease = { taskId, token: task.leaseToken, attempt: task.attempt, leaseMs: 0 };
      // No runner has taken the task since its last release, so there is no attempt to take back.
      const action = isGivenBack(task.leaseToken) ? "renew" : "release";
      const patch = { lease: { action, leaseMs: 0 }, history: historyLine({ event: "requeued" }) } as const;
      try {
        const guard = { scope: null, lease };
        return toSnapshot(await this.#gateway.write(taskId, guard, patch, (at) => cannotUpdate(taskId, at, undefined)));
      } catch (error) {
        // Another runner took the task after it was read: that lease ends, too.
        if (!isTaskStoreError(error, "LEASE_LOST")) throw error;
      }
    }
  }

  async rerunTask(taskId: string, options: RerunOptions = {}): Promise<Task> {
    checkOptions("rerunTask", options, RERUN_OPTIONS);
    return rerun(this.#gateway, taskId, options);
  }

  async answerInput(taskId: string, key: string, response: unknown): Promise<void> {
    const taken = typeof key === "string" ? await this.#inputs.provideAs(null, taskId, { [key]: response }) : [];
    if (taken.length === 0) throw invalid("The task has no open question under this key", taskId);
  }

  async pauseClaims(name: string): Promise<void> {
    await this.#pauses({ pause: [keyOf(name)], resume: [] });
  }

  async resumeClaims(name: string): Promise<void> {
    await this.#pauses({ pause: [], resume: [keyOf(name)] });
  }

  async pausedNames(): Promise<string[]> {
    return (await this.#pauses({ pause: [], resume: [] })).toSorted();
  }

  exportTasks(options: ExportOptions = {}): AsyncIterable<ExportedTask> {
    checkOptions("exportTasks", options, EXPORT_OPTIONS);
    return exportTasks(this.#gateway, options);
  }

  async importTasks(
    tasks: AsyncIterable<ExportedTask> | Iterable<ExportedTask>,
    options: ImportOptions = {},
  ): Promise<ImportOutcome> {
    checkOptions("importTasks", options, IMPORT_OPTIONS);
    return importTasks(this.#gateway, tasks, options);
  }

  async rotatePayloads(options: RotateOptions = {}): Promise<RotationOutcome> {
    checkOptions("rotatePayloads", options, ROTATE_OPTIONS);
    return rotate(this.#gateway, this.#coded, options);
  }

  notifiers(): Promise<NotifierStatus[]> {
    return this.#events.registered();
  }

  listEvents(options: ListEventsOptions): Promise<EventPage> {
    return this.#events.list(options);
  }

  redeliverEvents(options: RedeliverOptions): Promise<number> {
    return this.#events.redeliver(options);
  }

  removeNotifier(name: string): Promise<boolean> {
    return this.#events.remove(name);
  }

  async #pauses(change: Parameters<NonNullable<TaskBackend["pauses"]>>[0]): Promise<string[]> {
    const pauses = await this.#optional("pauses", "pause claims");
    return this.#gateway.call(() => pauses(change));
  }

  /** The paused names, none of a backend that cannot pause. */
  async #paused(): Promise<string[]> {
    return this.#gateway.call(async (backend) => (await backend.pauses?.({ pause: [], resume: [] })) ?? []);
  }

  /** A method that a backend may lack. @throws `NOT_SUPPORTED` */
  async #optional<Name extends "remove" | "pauses">(name: Name, what: string): Promise<NonNullable<TaskBackend[Name]>> {
    return this.#gateway.call(async (backend) => {
      const method = backend[name];
      if (!method) throw notSupported(what, name);
      return method.bind(backend) as NonNullable<TaskBackend[Name]>;
    });
  }

  async #wrote(taskId: string, revision: number, patch: Patch): Promise<boolean> {
    try {
      const terminal = () => notFound(taskId);
      return (await this.#gateway.writeAt(revision, taskId, ANYONE, patch, terminal)) !== undefined;
    } catch (error) {
      // The task is gone, or has ended.
      if (isTaskStoreError(error, "TASK_NOT_FOUND")) return false;
      throw error;
    }
  }
}

function keyOf(name: string): string {
  if (!isStorableKey(name)) throw invalid("The name must be a well-formed string of at most 512 characters");
  return name;
}
