import type { EventPage, ListEventsOptions, NotifierStatus, RedeliverOptions } from "./events.ts";
import type { Holder } from "./options.ts";
import type { RecordField, TaskRecord, TaskRecordWith, TaskSnapshot } from "./record.ts";
import type { Task, TaskStatus } from "./task.ts";

/** A time: a `Date`, or its ISO 8601 form. */
export type Time = Date | string;

/** The times from `after` to `before`. */
export interface TimeRange {
  /** This time and later ones. */
  after?: Time | undefined;
  /** Earlier times only. */
  before?: Time | undefined;
}

/** What counts as stuck. */
export interface StuckLimits {
  /**
   * A task is overdue, or its runner lost, if a runner could have taken it for so many milliseconds
   * and none did.
   * @default 60_000
   */
  overdueMs?: number | undefined;
  /**
   * A task waits too long if its questions are so many milliseconds old.
   * @default 3_600_000
   */
  waitingMs?: number | undefined;
}

/**
 * Which tasks. All given conditions must hold; `{}` is every task. A status may also be `active`
 * (working or waiting for input) or `ended`.
 */
export interface TaskFilter {
  status?: StatusOrKind | readonly StatusOrKind[] | undefined;
  /** Tool name of a `tools/call`, otherwise the method. */
  name?: string | readonly string[] | undefined;
  /** `null` = without owner. */
  owner?: string | null | readonly (string | null)[] | undefined;
  /** The ids themselves, at most 1,000. */
  id?: string | readonly string[] | undefined;
  /** How the task's id begins. */
  idPrefix?: string | undefined;
  created?: TimeRange | undefined;
  /** When a requestor last saw a change. */
  changed?: TimeRange | undefined;
  /** When the task ended; an active task has no such time. */
  ended?: TimeRange | undefined;
  /** How many runners have taken the task and not given it back. */
  attempts?: { min?: number | undefined; max?: number | undefined } | undefined;
  /** Tasks that seem to need help. `true` takes the default limits. */
  stuck?: boolean | StuckLimits | undefined;
  /** Tasks that a runner holds: on this host, with this process id, of this worker. */
  holder?: { host?: string | undefined; pid?: number | undefined; worker?: string | undefined } | undefined;
  /**
   * Parts of the payloads. Each object must be there with at least these properties.
   * @example { arguments: { customer: "acme" } }
   */
  payload?: PayloadFilter | undefined;
}

export interface PayloadFilter {
  arguments?: Record<string, unknown> | undefined;
  params?: Record<string, unknown> | undefined;
  context?: Record<string, unknown> | undefined;
  result?: Record<string, unknown> | undefined;
  error?: Record<string, unknown> | undefined;
}

export type StatusOrKind = TaskStatus | "active" | "ended";

/** Why a task seems to need help. */
export type StuckReason =
  /** No runner has taken it, although one may. */
  | "overdue"
  /** Its runner was lost, and no other has taken it. */
  | "lost"
  /** Its questions have waited for long. */
  | "waiting";

/** Something that happened to a task and that its requestor does not see. */
export type HistoryEntry = { at: string } & (
  | { event: "taken"; holder: Holder }
  /** OpenTelemetry traces the run. */
  | { event: "traced"; traceparent: string }
  /** With `delayMs`, no runner may take it before that many milliseconds. */
  | { event: "given back"; error?: string | undefined; delayMs?: number | undefined }
  | { event: "requeued" }
  | { event: "rerun"; taskId: string }
);

/** A field of an operator's record that is read only if it is asked for. */
export type OperatorField = RecordField | "rerunOf";

/** A task as an operator sees it. */
export interface OperatorRecord extends Omit<TaskRecord, OperatorField>, Partial<Pick<TaskRecord, RecordField>> {
  /** ISO 8601, UTC: when the task ended. */
  endedAt: string | undefined;
  /** ISO 8601, UTC: when the store deletes the task. */
  expiresAt: string | undefined;
  /** The runner that holds the task's lease now. */
  holder: Holder | undefined;
  stuck: StuckReason | undefined;
  /** What happened last, oldest first: about 30 entries. */
  history: readonly HistoryEntry[];
  /** The task whose request this one repeats. */
  rerunOf?: string | undefined;
  /**
   * Fields that were asked for and cannot be read here: the store lacks the codec by which they
   * were written, or a key of it. They are left out, and `inputRequests` is empty.
   */
  unreadable?: readonly RecordField[] | undefined;
}

/** A record with these fields, and with those that cost nothing to read. */
export type OperatorRecordWith<Field extends OperatorField> = Omit<OperatorRecord, OperatorField> &
  Pick<TaskRecordWith<Extract<Field, RecordField>>, Extract<Field, RecordField>> &
  Pick<OperatorRecord, Exclude<Field, RecordField>>;

export interface ListRecordsOptions<Field extends OperatorField = never> {
  /** @default every task */
  where?: TaskFilter | undefined;
  /**
   * By the time of creation.
   * @default "newest"
   */
  order?: "newest" | "oldest" | undefined;
  /**
   * Most records: 1 to 1,000, and to 100 with `fields`.
   * @default 50
   */
  limit?: number | undefined;
  /** The `nextCursor` of the page before, which had the same `order`. */
  cursor?: string | undefined;
  /**
   * Most tasks to look at. A page may be short, even empty, and have a cursor to go on from.
   * @default 100_000
   */
  scan?: number | undefined;
  /**
   * Payloads to read with each record.
   * @default none
   */
  fields?: readonly Field[] | undefined;
}

export interface RecordPage<Field extends OperatorField = never> {
  records: OperatorRecordWith<Field>[];
  /** Present unless all tasks were looked at. */
  nextCursor?: string;
  /** How many tasks the store looked at for this page. */
  scanned: number;
}

export interface BulkOptions {
  /**
   * Counts what would be done, and changes nothing.
   * @default false
   */
  dryRun?: boolean | undefined;
  /** Ends the work between two tasks: the call rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called from time to time with the counts so far. */
  onProgress?: ((soFar: BulkOutcome) => void) | undefined;
}

export interface BulkOutcome {
  /** Tasks to which it was done, or with `dryRun` would be. */
  done: number;
  /** Tasks of the filter that were left as they are, by reason. */
  skipped: Partial<Record<"ended" | "active" | "changed", number>>;
  /** How many tasks the store looked at. */
  scanned: number;
}

export interface CancelTasksOptions extends BulkOptions {
  /**
   * The status message of the cancelled tasks.
   * @default "The task was cancelled."
   */
  statusMessage?: string | undefined;
}

export interface RerunOptions {
  /**
   * Arguments in place of the first task's.
   * @default those of the first task
   */
  arguments?: Record<string, unknown> | undefined;
  /** @default `generateTaskId()` */
  taskId?: string | undefined;
  /**
   * Milliseconds after which a worker may claim the new task.
   * @default 0
   */
  claimAfterMs?: number | undefined;
}

export interface RotateOptions {
  /**
   * Counts what would be encrypted anew, and changes nothing.
   * @default false
   */
  dryRun?: boolean | undefined;
  /** The `cursor` of a rotation that was interrupted. @default from the oldest task on */
  cursor?: string | undefined;
  /** Ends the rotation between two steps: the call rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called after each step with the counts so far. */
  onProgress?: ((soFar: RotationProgress) => void) | undefined;
}

export interface RotationOutcome {
  /** Tasks that were looked at. */
  tasks: number;
  /** Payloads that were encrypted by the present key already. */
  current: number;
  /** Payloads that were encrypted anew, or with `dryRun` would be. */
  rotated: number;
  /** Payloads that cannot be read, or not written, for want of a key. They stay as they are. */
  unreadable: number;
  /** Why, each reason once: at most 10. */
  reasons: string[];
  /** Payloads that another process changed at each try, to a key that is not the present one. */
  changed: number;
  /**
   * Events that wait for notifiers with a status message that is not encrypted by the present key.
   * They stay as they are, and are gone once they are delivered.
   */
  events: number;
}

export interface RotationProgress extends Omit<RotationOutcome, "events"> {
  /** How far the rotation is: from 0 to 1. */
  portion: number;
  /** Where a rotation can go on after this step. */
  cursor: string;
}

/** Operators' view of a store, and what they do. For trusted code: it sees every owner's tasks. */
export interface TaskOperations {
  /**
   * A page of tasks, newest first. The cost of a page is bounded: see `scan` and `scanned`.
   * @throws `INVALID_ARGUMENT`, `INVALID_CURSOR`
   * @example
   * const where = { stuck: true, payload: { arguments: { customer: "acme" } } };
   * const { records } = await store.operations.listRecords({ where, fields: ["request"] });
   */
  listRecords<Field extends OperatorField = never>(options?: ListRecordsOptions<Field>): Promise<RecordPage<Field>>;
  /**
   * The task with its payloads, or `null` if there is none of this id. With `fields`, the store
   * reads only the payloads that these fields need.
   * @throws `INVALID_ARGUMENT`
   */
  getRecord<Field extends OperatorField = OperatorField>(
    taskId: string,
    options?: { fields?: readonly Field[] | undefined },
  ): Promise<OperatorRecordWith<Field> | null>;
  /**
   * Counts and times. What is counted from a part of the tasks says so.
   */
  stats(options?: StatsOptions): Promise<TaskStats>;
  /**
   * Cancels the active tasks that match, in bounded steps.
   * @throws `INVALID_ARGUMENT`
   */
  cancelTasks(where: TaskFilter, options?: CancelTasksOptions): Promise<BulkOutcome>;
  /**
   * Deletes the ended tasks that match, in bounded steps. Cancel active ones first.
   * @throws `INVALID_ARGUMENT`
   */
  removeTasks(where: TaskFilter, options?: BulkOptions): Promise<BulkOutcome>;
  /**
   * Ends the lease now, so that another runner may take the task: for a runner that hangs. Its
   * writes are refused from then on. A task that no runner has taken becomes claimable at once.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`
   */
  requeueTask(taskId: string): Promise<TaskSnapshot>;
  /**
   * Makes a new task of the request of one that has ended. The history of the first names the new
   * one, and `rerunOf` of the new one the first.
   * @throws `TASK_NOT_FOUND`, `INVALID_ARGUMENT` while the task is active, `LIMIT_EXCEEDED`
   */
  rerunTask(taskId: string, options?: RerunOptions): Promise<Task>;
  /**
   * Answers a question of a task in its requestor's place.
   * @throws `TASK_NOT_FOUND`, `INVALID_ARGUMENT` if no such question is open
   */
  answerInput(taskId: string, key: string, response: unknown): Promise<void>;
  /**
   * From now on no worker of any process claims tasks of this name. Runs that have begun go on.
   */
  pauseClaims(name: string): Promise<void>;
  /** Undoes `pauseClaims`. Workers look again within their `claimPollMs`. */
  resumeClaims(name: string): Promise<void>;
  /** The names whose claims are paused, sorted. */
  pausedNames(): Promise<string[]>;
  /**
   * Everything that the tasks are, oldest first, as objects that are JSON: write one a line.
   * @throws `INVALID_ARGUMENT`
   * @example
   * for await (const task of store.operations.exportTasks()) lines.push(JSON.stringify(task));
   */
  exportTasks(options?: ExportOptions): AsyncIterable<ExportedTask>;
  /**
   * Writes tasks as they were exported, with their ids, times, revisions and tokens. A task whose
   * id exists stays as it is, so an import may be begun again.
   * @throws `INVALID_ARGUMENT` for something that is no exported task, `PAYLOAD_TOO_LARGE`
   */
  importTasks(
    tasks: AsyncIterable<ExportedTask> | Iterable<ExportedTask>,
    options?: ImportOptions,
  ): Promise<ImportOutcome>;
  /**
   * Encrypts the payloads of all tasks anew that are not encrypted by the present key of the
   * store's codec: those of older keys, and plain ones. It goes in bounded steps, oldest task
   * first, while the store is in use, and undoes no write. Times and revisions stay. It may be
   * interrupted and begun again.
   *
   * All processes need the new key before, and should encrypt by it. Messages of tasks that do not
   * exist stay as they are. With `current: null`, it decrypts what is encrypted.
   * @throws `INVALID_ARGUMENT` for a store whose codec does not encrypt, `INVALID_CURSOR`,
   * `BACKEND_UNAVAILABLE`
   * @example
   * const { unreadable, changed, events } = await store.operations.rotatePayloads();
   * if (unreadable + changed + events === 0) console.log("The old keys are needed no more.");
   */
  rotatePayloads(options?: RotateOptions): Promise<RotationOutcome>;
  /** The registered notifiers, sorted by name, with how many events wait for them. */
  notifiers(): Promise<NotifierStatus[]>;
  /**
   * The events that a notifier has not delivered yet, the oldest first.
   * @throws `INVALID_ARGUMENT`, `INVALID_CURSOR`
   */
  listEvents(options: ListEventsOptions): Promise<EventPage>;
  /**
   * Lets events be delivered again that were set aside. They may come after later events of their
   * tasks. Returns how many.
   * @throws `INVALID_ARGUMENT`
   */
  redeliverEvents(options: RedeliverOptions): Promise<number>;
  /**
   * Ends the registration of a notifier and deletes its events. Its running processes report that
   * and end. Returns whether there was one.
   */
  removeNotifier(name: string): Promise<boolean>;
}

/** Everything that a task is, as JSON. Times are ISO 8601, UTC. */
export interface ExportedTask {
  /** The version of this form. */
  format: 1;
  taskId: string;
  owner: string | null;
  name: string;
  status: TaskStatus;
  statusMessage: string | null;
  createdAt: string;
  updatedAt: string;
  /** Milliseconds. */
  ttl: number | null;
  expiresAt: string | null;
  /** Milliseconds. */
  pollInterval: number | null;
  revision: number;
  attempt: number;
  leaseToken: number;
  /** `null` of an ended task. */
  leaseExpiresAt: string | null;
  /** The request with its id and context. */
  request: unknown;
  inputs: unknown;
  checkpoint: unknown;
  outcome: unknown;
  history: string | null;
  /** The queued messages of SDK 1.x, the first one first. */
  messages: { message: unknown; expiresAt: string }[];
  /** What the runs have kept. */
  steps: { name: string; body: unknown }[];
}

export interface ExportOptions {
  /** @default every task */
  where?: TaskFilter | undefined;
  /**
   * Goes on with each new task, as it is when the store sees it, until the signal aborts.
   * @default false
   */
  follow?: boolean | undefined;
  /**
   * Milliseconds between two looks for new tasks.
   * @default 1_000
   */
  pollMs?: number | undefined;
  /** Ends the export: the iteration throws the signal's reason. */
  signal?: AbortSignal | undefined;
}

export interface ImportOptions {
  /** Ends the import between two steps: the call rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called after each step with the counts so far. */
  onProgress?: ((soFar: ImportOutcome) => void) | undefined;
}

export interface ImportOutcome {
  /** Tasks that were written. */
  imported: number;
  /** Tasks whose id existed already. They stay as they are. */
  existing: number;
}

export interface CopyOptions extends Omit<ExportOptions, "signal"> {
  /**
   * What becomes of an active task. `leave`: it is not copied. `move`: its lease ends, so that its
   * runner writes no more. The second store gets the task, and any worker there may take it. In the
   * first one it fails with a message that says so. Pause its claims in the first store: a task
   * that workers there take again at once is left.
   * @default "leave"
   */
  active?: "leave" | "move" | undefined;
  /** Ends the copy between two tasks: the call rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called after each task with the counts so far. */
  onProgress?: ((soFar: CopyOutcome) => void) | undefined;
}

export interface CopyOutcome {
  /** Ended tasks that were written. */
  copied: number;
  /** Tasks whose id existed already in the second store. */
  existing: number;
  /** Active tasks that are in the second store now, and ended in the first one. */
  moved: number;
  /** Active tasks that stay in the first store. */
  left: number;
}

export interface StatsOptions {
  /**
   * Most tasks to look at, newest first. Active tasks beyond it are looked at, too.
   * @default 100_000
   */
  scan?: number | undefined;
  /**
   * Only tasks of these owners; `null` = without owner.
   * @default every owner
   */
  owner?: TaskFilter["owner"];
}

/** Milliseconds at which 50, 95 and 99 % of the values are reached. */
export interface Percentiles {
  p50: number;
  p95: number;
  p99: number;
}

export interface NameStats {
  counts: Record<TaskStatus, number>;
  /** Active tasks that a runner holds. */
  running: number;
  /** Active tasks that a runner may take now. */
  claimable: number;
  /** For how long the oldest claimable task could have been taken, in milliseconds. */
  oldestClaimableMs: number | undefined;
  stuck: number;
  paused: boolean;
}

/** The tasks that ended in one minute. */
export interface MinuteStats {
  /** ISO 8601, UTC: the beginning of the minute. */
  minute: string;
  completed: number;
  failed: number;
  cancelled: number;
  /** From creation to the first runner; `undefined` without runs. */
  waitMs: Percentiles | undefined;
  /** From the last runner's start to the end; `undefined` without runs. */
  runMs: Percentiles | undefined;
}

export interface TaskStats {
  /** ISO 8601, UTC, by the store's clock. */
  at: string;
  counts: Record<TaskStatus, number>;
  names: Record<string, NameStats>;
  /** Counts by owner; `""` is for tasks without owner. The 100 owners with most tasks. */
  owners: Record<string, Record<TaskStatus, number>>;
  running: number;
  claimable: number;
  oldestClaimableMs: number | undefined;
  stuck: number;
  /** The last 60 minutes, the present one last. */
  minutes: MinuteStats[];
  /** How many tasks the store looked at. */
  scanned: number;
  /** Whether these were all tasks. If not, counts of ended tasks are of the newest ones only. */
  complete: boolean;
}
