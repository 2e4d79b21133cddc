import type { Capabilities } from "./backend.ts";
import type { TaskStoreError } from "./errors.ts";
import type { TaskMessageQueue } from "./message-queue.ts";
import type { ErrorObject, Request, RequestId, Result, Task, TaskStatus } from "./task.ts";

/** As an `owner`: the call may see everyone's tasks. For trusted code of the server itself: runners, operators. */
export const ANY_OWNER: unique symbol = Symbol.for("mcp-task-store.any-owner");

/** Whose tasks a call may see: one owner's, everyone's (`ANY_OWNER`), or those that a call without owner may see. */
export type Owner = string | typeof ANY_OWNER;

/**
 * Who calls one of the SDK's six methods: a session id, which the store's `owner` maps to the owner; or `{ owner }`, which says the
 * owner itself.
 */
export type Caller = string | OwnerOptions;

/** What a requestor may ask for and a server author may set when a task is created. */
export interface CreateTaskOptions {
  /** Milliseconds to keep the task; `null` = for ever. Default: `limits.ttl.default`. Clamped to `limits.ttl`. */
  ttl?: number | null | undefined;
  /** Milliseconds a requestor should leave between two polls. Default: the store's `pollInterval`. */
  pollInterval?: number | undefined;
  /** Kept with the task and given to whoever runs it. JSON. */
  context?: Record<string, unknown> | undefined;
  /**
   * An id of your own, for instance to make a repeated creation harmless. At most 512 characters, and as hard to
   * guess as 128 random bits where ids are all that protects a task. Default: `generateTaskId()`.
   */
  taskId?: string | undefined;
  /** Milliseconds after which a worker may claim the task unless a runner has leased it; 0 = at once. Default: the store's `claimAfterMs`. */
  claimAfterMs?: number | undefined;
}

/** A question to the requestor. @see SEP-2663, `InputRequest` */
export interface InputRequest {
  /** For instance `elicitation/create` or `sampling/createMessage`. */
  method: string;
  params?: Record<string, unknown> | undefined;
}

/** How a task ended. `failed` holds either a result (a tool's `isError` result, say) or a JSON-RPC error. */
export type TaskOutcome =
  | { status: "completed" | "failed"; result: Result; statusMessage?: string | undefined }
  | { status: "failed"; error: ErrorObject; statusMessage?: string | undefined };

/** What `updateTask` can change; at least one of them. */
export interface TaskChange {
  status?: TaskStatus | undefined;
  statusMessage?: string | undefined;
  /** Where the work has got to: JSON, kept for whoever runs the task after this runner. The requestor never sees it. */
  checkpoint?: unknown;
}

/** A task as it was at one revision. */
export interface TaskSnapshot {
  task: Task;
  /** Grows with each change of the task. */
  revision: number;
}

/** All that a store knows of a task. */
export interface TaskRecord extends TaskSnapshot {
  owner: string | undefined;
  /** Tool name of a `tools/call`, otherwise the method of the request. */
  name: string;
  requestId: RequestId;
  request: Request;
  context: Record<string, unknown> | undefined;
  /** Questions that wait for an answer, by key; empty for a terminal task. @see SEP-2663, `inputRequests` */
  inputRequests: Record<string, InputRequest>;
  /** Present once the task ended with one. */
  result?: Result;
  /** Present once the task failed with a JSON-RPC error. */
  error?: ErrorObject;
  /** What a runner last saved for whoever runs the task after it. */
  checkpoint: unknown;
  /** How many runners have taken the task and not given it back: the present one, and those that were lost. */
  attempt: number;
  /** ISO 8601, UTC: from then on a worker may claim the task; `undefined` for a terminal one. */
  claimableAt: string | undefined;
}

/** A runner's right to a task, with its fencing token. */
export interface Lease {
  readonly taskId: string;
  /** Larger than that of every lease of this task before. */
  readonly token: number;
  /** 1 for the first runner, and one more for each that was lost since; a lease that was given back does not count. */
  readonly attempt: number;
  readonly durationMs: number;
}

/** A task that `claimTask` handed to this caller. */
export interface ClaimedTask {
  readonly lease: Lease;
  readonly record: TaskRecord;
}

export interface OwnerOptions {
  /** Default: a call without owner (see the store's `isolation`). */
  owner?: Owner | undefined;
}

export interface WriteOptions extends OwnerOptions {
  /** Refuse the write with `LEASE_LOST` unless this is still the task's lease. Default: the write is not fenced. */
  lease?: Lease | undefined;
}

export interface WaitOptions extends OwnerOptions {
  /** Ends the wait: it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Ends the wait after that many milliseconds: it rejects with a `TimeoutError`, as `AbortSignal.timeout` does. Default: none. */
  timeoutMs?: number | undefined;
}

export interface WaitForTaskOptions extends WaitOptions {
  /**
   * `terminal` (default); `change`: a revision larger than `after`; or any of these statuses. A terminal task ends
   * every wait, since nothing more can come.
   */
  until?: "terminal" | "change" | readonly TaskStatus[] | undefined;
  /** Only a state with a larger revision ends the wait, unless it is terminal. Default: any state may. */
  after?: number | undefined;
}

export interface SubscribeOptions extends OwnerOptions {
  /** Only this task. Default: every task that the owner may see. */
  taskId?: string | undefined;
}

/**
 * Durable tasks for MCP servers and clients: structurally the `TaskStore` of `@modelcontextprotocol/sdk` 1.x (the six
 * methods that take a `caller`, there a session id), with `messages` for its `TaskMessageQueue`, and on top of it what both
 * generations of MCP tasks need.
 *
 * Every method may reject with `BACKEND_UNAVAILABLE`, `SCHEMA_MISMATCH`, `STORE_CLOSED`, and with `INVALID_ARGUMENT` for arguments
 * that cannot be right. A task of another owner is `TASK_NOT_FOUND`, as is an expired one.
 */
export interface TaskStore extends AsyncDisposable {
  readonly capabilities: Capabilities;
  /** The message queue for SDK 1.x. */
  readonly messages: TaskMessageQueue;

  /**
   * Creates a task in status `working`; durable when the promise resolves.
   * @throws `LIMIT_EXCEEDED` at a cap, `PAYLOAD_TOO_LARGE`, `INVALID_ARGUMENT` also for a `taskId` that exists.
   * @see MCP 2025-11-25, Tasks, "Creating Tasks"
   */
  createTask(options: CreateTaskOptions, requestId: RequestId, request: Request, caller?: Caller): Promise<Task>;
  /** The task, or `null` when there is none of this id. @see MCP 2025-11-25, Tasks, "Getting Tasks" */
  getTask(taskId: string, caller?: Caller): Promise<Task | null>;
  /**
   * Stores the result and the final status in one step.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `INVALID_TRANSITION` for any other status, `PAYLOAD_TOO_LARGE`
   */
  storeTaskResult(taskId: string, status: "completed" | "failed", result: Result, caller?: Caller): Promise<void>;
  /**
   * The stored result.
   * @throws `TASK_NOT_FOUND`, `RESULT_NOT_READY`; `JsonRpcError` when the task failed with a JSON-RPC error
   * @see MCP 2025-11-25, Tasks, "Retrieving Task Results"
   */
  getTaskResult(taskId: string, caller?: Caller): Promise<Result>;
  /**
   * Sets the status, and the message unless it is undefined.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`
   */
  updateTaskStatus(taskId: string, status: TaskStatus, statusMessage?: string, caller?: Caller): Promise<void>;
  /**
   * A page of tasks in creation order.
   * @throws `INVALID_CURSOR`
   * @see MCP 2025-11-25, Tasks, "Listing Tasks"
   */
  listTasks(cursor?: string, caller?: Caller): Promise<{ tasks: Task[]; nextCursor?: string }>;

  /** All that is known of the task, payloads included, or `null` when there is none of this id. */
  getRecord(taskId: string, options?: OwnerOptions): Promise<TaskRecord | null>;
  /**
   * Changes the status, the message or the checkpoint, in one step; returns the task after the change.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `LEASE_LOST`, `PAYLOAD_TOO_LARGE`
   */
  updateTask(taskId: string, change: TaskChange, options?: WriteOptions): Promise<TaskSnapshot>;
  /**
   * Stores the outcome (a result or a JSON-RPC error), the final status and a last message in one step.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `LEASE_LOST`, `PAYLOAD_TOO_LARGE`
   */
  finishTask(taskId: string, outcome: TaskOutcome, options?: WriteOptions): Promise<TaskSnapshot>;
  /**
   * Cancels the task; a runner in any process sees its signal abort.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`
   * @see MCP 2025-11-25, Tasks, "Task Cancellation"; SEP-2663, `tasks/cancel`
   */
  cancelTask(taskId: string, options?: OwnerOptions & { statusMessage?: string | undefined }): Promise<Task>;

  /**
   * Asks the requestor, under keys of the task's own, and makes the task `input_required`. Asking the same question again under its key
   * changes nothing, so a runner that took over may ask as the one before did.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `LEASE_LOST`, `INVALID_ARGUMENT` for a key that had another question
   * @see SEP-2663, "Input required"
   */
  requestInputs(taskId: string, requests: Record<string, InputRequest>, options?: WriteOptions): Promise<TaskSnapshot>;
  /**
   * Stores answers by key. Unknown and answered keys and tasks that are terminal by now are ignored. The last answer
   * makes the task `working`. Returns the keys that were taken.
   * @throws `TASK_NOT_FOUND`
   * @see SEP-2663, `tasks/update`
   */
  provideInputs(taskId: string, responses: Record<string, unknown>, options?: OwnerOptions): Promise<string[]>;
  /**
   * The answer to a question, as soon as there is one, given to whichever process.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `TASK_EXPIRED`, `INVALID_ARGUMENT` for a key that was never asked
   */
  awaitInput(taskId: string, key: string, options?: WaitOptions): Promise<unknown>;

  /**
   * Waits until the task is as asked for, changed by any process, and returns it as it is then.
   * @throws `TASK_NOT_FOUND`, `TASK_EXPIRED` when it expires meanwhile, `STORE_CLOSED`
   */
  waitForTask(taskId: string, options?: WaitForTaskOptions): Promise<TaskSnapshot>;
  /**
   * Waits for the end of the task and returns its result.
   * @throws as `waitForTask` and `getTaskResult`
   */
  waitForResult(taskId: string, options?: WaitOptions): Promise<Result>;
  /**
   * Calls `listener` with the state after each change, made by any process, in order of revision. Changes in quick succession
   * may come as one. With a `taskId` the present state comes first, and no last state is missed; without one, changes made while the
   * connection to the backend is cut may be. Returns a function that ends it. An error thrown by `listener` goes to `onError`.
   */
  subscribe(listener: (event: TaskSnapshot) => void, options?: SubscribeOptions): Promise<() => void>;

  /**
   * Takes the task's lease for a runner.
   * @param options.durationMs Default 30,000.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `LEASE_LOST` while another runner holds it
   */
  acquireLease(taskId: string, options?: OwnerOptions & { durationMs?: number | undefined }): Promise<Lease>;
  /**
   * Renews the lease for its duration from now: the runner's heartbeat.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `LEASE_LOST`
   */
  renewLease(lease: Lease): Promise<void>;
  /**
   * Gives the lease back: another runner may take the task at once, and this lease writes no more.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `LEASE_LOST`
   */
  releaseLease(lease: Lease): Promise<void>;
  /**
   * Takes a task that no runner holds: never leased and older than its `claimAfterMs`, given back, or left by a runner
   * that died. `null` when there is none. No task goes to two callers.
   * @param options.names Tool names (or methods) that the caller can run.
   * @param options.durationMs Of the lease. Default 30,000.
   */
  claimTask(options: { names: readonly string[]; durationMs?: number | undefined }): Promise<ClaimedTask | null>;

  /**
   * Deletes expired tasks and messages, at most `limit` of each (default 1,000), and returns how many. The store does this by itself
   * every `sweepIntervalMs`; reads never show an expired task in any case.
   */
  deleteExpired(options?: { limit?: number | undefined }): Promise<number>;
  /** Ends waits with `STORE_CLOSED` and closes what the store opened. Calling it again does nothing. */
  close(): Promise<void>;
}

export interface TtlLimits {
  /** For tasks created without a ttl. Default `null`: for ever. */
  default?: number | null | undefined;
  /** A shorter ttl is raised to this. Default 0. */
  min?: number | undefined;
  /** A longer ttl, and none, is lowered to this. Default: no maximum. */
  max?: number | undefined;
}

/** Each is enforced atomically, whatever the number of processes. */
export interface Limits {
  ttl?: TtlLimits | undefined;
  /** Most active tasks in the store. Default: no cap. Without it, a flood of calls fills the database. */
  activeTasks?: number | undefined;
  /** Most active tasks of one owner; tasks without owner count as one owner's. Default: no cap. */
  activeTasksPerOwner?: number | undefined;
  /** Most bytes of a request, a result, a message or all inputs of a task, as JSON in UTF-8. Default 64 MiB. */
  payloadBytes?: number | undefined;
  /** Most messages queued for a task; a smaller `maxSize` of a call wins. Default: no cap. */
  messagesPerTask?: number | undefined;
}

/** Options of every store. */
export interface TaskStoreOptions {
  /**
   * Maps the session of an SDK call to the owner of its tasks, so that a user who reconnects finds them: return the
   * authenticated user, for instance from an `AsyncLocalStorage`. Default: the session id itself.
   * With this option, `isolation` is `strict` unless you say otherwise.
   */
  owner?: ((sessionId: string | undefined) => string | undefined) | undefined;
  /**
   * `session` (default without `owner`), the SDK's rule: a call without owner sees every task, and everyone sees tasks without
   * owner. `strict` (default with `owner`): a call sees the tasks of exactly its owner, and a call without owner sees those without.
   */
  isolation?: "session" | "strict" | undefined;
  /** Tasks on a page of `listTasks`. Default 10. */
  pageSize?: number | undefined;
  /** `pollInterval` of tasks created without one, in ms. Default 1,000. */
  pollInterval?: number | undefined;
  /**
   * `claimAfterMs` of tasks created without one. Default 30,000: time for the creator to run the task itself. Set 0 where workers run
   * all tasks (see `startWorker`).
   */
  claimAfterMs?: number | undefined;
  limits?: Limits | undefined;
  /** Milliseconds that a queued message is kept. Default 86,400,000 (a day). */
  messageTtl?: number | undefined;
  /** Milliseconds between deletions of what has expired; `false` = only by `deleteExpired`. Default 60,000. */
  sweepIntervalMs?: number | false | undefined;
  /** While somebody waits, the tasks waited for are read that often even if no change was signalled. Default 5,000. */
  fallbackPollMs?: number | undefined;
  /** Told of failures that no call can report. Default: a process warning. */
  onError?: ((error: TaskStoreError) => void) | undefined;
}
