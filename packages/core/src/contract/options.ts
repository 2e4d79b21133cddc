import type { PayloadCodec } from "./codec.ts";
import type { TaskStoreError } from "./errors.ts";
import type { OwnerOptions } from "./owner.ts";
import type { KeptStep, Lease, RecordField } from "./record.ts";
import type { Meta, RequestId, TaskStatus } from "./task.ts";

/** Options of a new task, beside its request. */
export interface CreateTaskOptions {
  /**
   * Milliseconds to keep the task, clamped to `limits.ttl`; `null` = for ever.
   * @default the store's `limits.ttl.default`
   */
  ttl?: number | null | undefined;
  /**
   * Milliseconds a requestor should leave between two polls.
   * @default the store's `pollInterval`
   */
  pollInterval?: number | undefined;
  /** Kept with the task and given to its runner. JSON. */
  context?: Record<string, unknown> | undefined;
  /**
   * An id of your own. At most 512 characters, and as hard to guess as 128 random bits where ids
   * are all that protects a task.
   * @default `generateTaskId()`
   */
  taskId?: string | undefined;
  /**
   * A key of your own under which this creation may be repeated, for instance when its answer was
   * lost. Of one owner and one name it makes one task while that task is kept, however many
   * processes use it. A repetition with the same request returns that task, and its other options
   * change nothing. `_meta` of the request may differ. 1 to 512 characters; not together with
   * `taskId`, since the key decides the id.
   * @default each call makes a task
   */
  dedupeKey?: string | undefined;
  /**
   * Milliseconds after which a worker may claim the task unless a runner has leased it; 0 = at
   * once.
   * @default the store's `claimAfterMs`
   */
  claimAfterMs?: number | undefined;
}

/** The request that a new task stands for: the call of a tool, or any other request. */
export type NewTaskRequest =
  | {
      /** The tool to call. A worker's handler of this name can run the task. */
      name: string;
      /** The tool's arguments. JSON. */
      arguments?: Record<string, unknown> | undefined;
      method?: undefined;
      params?: undefined;
    }
  | {
      /** The method of a request that is no `tools/call`. */
      method: string;
      params?: { _meta?: Meta | undefined; [key: string]: unknown } | undefined;
      name?: undefined;
      arguments?: undefined;
    };

/** The argument of `createTask` in your own code. */
export type NewTaskOptions = CreateTaskOptions &
  NewTaskRequest & {
    /**
     * The task's owner.
     * @default no owner
     */
    owner?: string | undefined;
    /**
     * Id of the JSON-RPC request that asked for the task.
     * @default the task's id
     */
    requestId?: RequestId | undefined;
  };

export interface GetRecordOptions<Field extends RecordField = RecordField> extends OwnerOptions {
  /**
   * Fields to read beside those that cost nothing (`task`, `revision`, `owner`, `name`, `attempt`,
   * `claimableAt`). The store reads only the payloads that these fields need.
   * @default all
   */
  fields?: readonly Field[] | undefined;
}

export interface CancelTaskOptions extends OwnerOptions {
  /**
   * The status message of the cancelled task.
   * @default "The task was cancelled."
   */
  statusMessage?: string | undefined;
}

/** The runner that takes a lease, for operators to see. */
export interface Holder {
  host: string;
  pid: number;
  /** The worker's name. */
  worker?: string | undefined;
  /** The version of the worker's program. */
  version?: string | undefined;
}

export interface LeaseOptions {
  /**
   * A name and version that operators see as the holder of the lease, beside host and process id.
   * @default none
   */
  holder?: Pick<Holder, "worker" | "version"> | undefined;
  /**
   * The lease lapses this many milliseconds after it was taken or renewed.
   * @default 30_000
   */
  leaseMs?: number | undefined;
}

export interface RenewOptions {
  /**
   * The span of the run that holds the lease, for operators and for the traces of later runs.
   * @default none
   * @see W3C Trace Context, "traceparent Header"
   */
  traceparent?: string | undefined;
}

export interface ReleaseOptions {
  /**
   * Why the runner gives the task back, for operators: the history keeps 300 characters of it.
   * @default none
   */
  error?: string | undefined;
  /**
   * Milliseconds until another runner may take the task.
   * @default 0
   */
  delayMs?: number | undefined;
  /**
   * How many attempts have failed, for the runners after this one: see `readSteps`.
   * @default the number stays
   */
  failures?: number | undefined;
  /**
   * A step to keep in the same write. Not together with `failures`.
   * @default none
   */
  step?: KeptStep | undefined;
}

/** How many tasks of one name may run at once in all processes together. */
export interface ConcurrencyLimits {
  /**
   * Most tasks of the name that run at once.
   * @default no limit
   */
  running?: number | undefined;
  /**
   * Most tasks of the name that run at once for each owner. Tasks without an owner count as those
   * of one owner.
   * @default no limit
   */
  runningPerOwner?: number | undefined;
}

export interface ClaimTaskOptions extends LeaseOptions {
  /** Tool names (or methods) that the caller can run. */
  names: readonly string[];
  /**
   * By name, how many tasks may run at once. What is over a limit waits. A task counts from a claim
   * with limits on, until it ends, its lease is given back, or its lease lapses. Owners that wait
   * are served in turn. The limits hold for all processes as long as each claim of the name gives
   * the same ones.
   * @default no limits
   */
  concurrency?: Readonly<Record<string, ConcurrencyLimits>> | undefined;
}

export interface ClaimTasksOptions extends ClaimTaskOptions {
  /** Most tasks to take: how many the caller can run now. A whole number from 1 to 1,000. */
  limit: number;
}

export interface WriteOptions extends OwnerOptions {
  /**
   * Refuse the write with `LEASE_LOST` unless this is still the task's lease.
   * @default the write is not fenced
   */
  lease?: Lease | undefined;
}

export interface WaitOptions extends OwnerOptions {
  /** Ends the wait: it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /**
   * Ends the wait after this many milliseconds: it rejects with a `TimeoutError`, as
   * `AbortSignal.timeout` does.
   * @default no limit
   */
  timeoutMs?: number | undefined;
  /**
   * Whether the wait keeps its process alive until it settles.
   * @default true
   */
  keepAlive?: boolean | undefined;
}

export interface WaitForTaskOptions<Field extends RecordField = RecordField> extends WaitOptions {
  /**
   * `terminal`; `change`: a revision larger than `after`; or any of these statuses. A terminal task
   * ends every wait, since it never changes again.
   * @default "terminal"
   */
  until?: "terminal" | "change" | readonly TaskStatus[] | undefined;
  /**
   * Only a state with a larger revision ends the wait, unless it is terminal.
   * @default any state may
   */
  after?: number | undefined;
  /**
   * Fields to read beside those that cost nothing (`task`, `revision`, `owner`, `name`, `attempt`,
   * `claimableAt`), all of the same state.
   * @default none
   */
  fields?: readonly Field[] | undefined;
}

export interface SubscribeOptions extends OwnerOptions {
  /**
   * Only this task.
   * @default every task that the owner may see
   */
  taskId?: string | undefined;
  /**
   * Only tasks of these tools (or methods). Other tasks cost no read.
   * @default all
   */
  names?: readonly string[] | undefined;
  /**
   * Only states with one of these statuses.
   * @default all
   */
  statuses?: readonly TaskStatus[] | undefined;
}

export interface TtlLimits {
  /**
   * The ttl of tasks created without one. `null` = for ever.
   * @default null
   */
  default?: number | null | undefined;
  /**
   * Lower bound for a task's ttl.
   * @default 0
   */
  min?: number | undefined;
  /**
   * Upper bound for a task's ttl. A task that would be kept for ever gets this one.
   * @default none
   */
  max?: number | undefined;
}

/** A store enforces each limit atomically, across any number of processes. */
export interface Limits {
  ttl?: TtlLimits | undefined;
  /**
   * Most active tasks in the store. Without a cap, a flood of calls fills the database.
   * @default no cap
   */
  activeTasks?: number | undefined;
  /**
   * Most active tasks of one owner; tasks without owner count as one owner's.
   * @default no cap
   */
  activeTasksPerOwner?: number | undefined;
  /**
   * Most bytes of a request, a result, a message or all inputs of a task, as JSON in UTF-8.
   * @default 67_108_864 (64 MiB)
   */
  payloadBytes?: number | undefined;
  /**
   * Most messages queued for a task; a smaller `maxSize` of a call wins.
   * @default no cap
   */
  messagesPerTask?: number | undefined;
}

/** Options of every store. */
export interface TaskStoreOptions {
  /**
   * Maps the session of an SDK call to the owner of its tasks, so that a user who reconnects finds
   * them: return the authenticated user, for instance from an `AsyncLocalStorage`. With this
   * option, `isolation` is `strict` unless you say otherwise.
   * @default the session id itself
   */
  owner?: ((sessionId: string | undefined) => string | undefined) | undefined;
  /**
   * `sdk`, the SDK's rule: a call without owner sees every task, and every call sees tasks without
   * owner. `strict`: a call sees the tasks of exactly its owner, and a call without owner sees
   * those without.
   * @default "sdk" without the option `owner`, "strict" with it
   */
  isolation?: "sdk" | "strict" | undefined;
  /**
   * Tasks on a page of `listTasks`.
   * @default 10
   */
  pageSize?: number | undefined;
  /**
   * `pollInterval` of tasks created without one, in milliseconds.
   * @default 1_000
   */
  pollInterval?: number | undefined;
  /**
   * `claimAfterMs` of tasks created without one: time for the creator to run the task itself. Set 0
   * where workers run all tasks (see `startWorker`).
   * @default 30_000
   */
  claimAfterMs?: number | undefined;
  limits?: Limits | undefined;
  /**
   * Compresses, encrypts and moves the payloads of tasks on their way to the database. Payloads
   * that were stored without it stay readable. All stores of the same tasks need the same one.
   * @default payloads are stored as they are
   */
  codec?: PayloadCodec | undefined;
  /**
   * Milliseconds that a queued message is kept.
   * @default 86_400_000 (a day)
   */
  messageTtlMs?: number | undefined;
  /**
   * Milliseconds between deletions of what has expired. `false` = only `deleteExpired` deletes.
   * @default 60_000
   */
  sweepIntervalMs?: number | false | undefined;
  /**
   * While a wait or a subscription is pending, the store reads its tasks at this interval, in
   * milliseconds, even if no change was signalled.
   * @default 5_000
   */
  fallbackPollMs?: number | undefined;
  /**
   * Called with failures that no call can reject with.
   * @default a process warning
   */
  onError?: ((error: TaskStoreError) => void) | undefined;
}
