import type { Capabilities } from "./capabilities.ts";
import type { TaskEvents } from "./events.ts";
import type { TaskMessageQueue } from "./messages.ts";
import type { TaskOperations } from "./operations.ts";
import type {
  CancelTaskOptions,
  ClaimTaskOptions,
  ClaimTasksOptions,
  CreateTaskOptions,
  GetRecordOptions,
  LeaseOptions,
  NewTaskOptions,
  ReleaseOptions,
  RenewOptions,
  SubscribeOptions,
  WaitForTaskOptions,
  WaitOptions,
  WriteOptions,
} from "./options.ts";
import type { Caller, OwnerOptions } from "./owner.ts";
import type {
  ClaimedTask,
  InputRequest,
  Lease,
  RecordField,
  TaskChange,
  TaskOutcome,
  TaskRecordWith,
  TaskSnapshot,
  TaskSteps,
} from "./record.ts";
import type { CreatedTask, Request, RequestId, Result, Task, TaskStatus } from "./task.ts";

/**
 * The six methods of the `TaskStore` of `@modelcontextprotocol/sdk` 1.x, with the SDK's signatures.
 * The last argument is a session id when the SDK calls. Your own code may pass `{ owner }` there,
 * or call the methods of `TaskReads` and `TaskWrites` instead.
 */
export interface SdkTaskStore {
  /**
   * Creates a task in status `working`, as the SDK calls it. For your own code, `createTask` of
   * `TaskWrites` reads better. The task is durable when the promise resolves.
   * @throws `TASK_EXISTS`, `LIMIT_EXCEEDED`, `PAYLOAD_TOO_LARGE`, `INVALID_ARGUMENT`
   * @see MCP 2025-11-25, Tasks, "Creating Tasks"
   */
  createTask(options: CreateTaskOptions, requestId: RequestId, request: Request, caller?: Caller): Promise<Task>;
  /**
   * The task, or `null` if there is none of this id.
   * @see MCP 2025-11-25, Tasks, "Getting Tasks"
   */
  getTask(taskId: string, caller?: Caller): Promise<Task | null>;
  /**
   * Stores the result and the final status in one step.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `INVALID_TRANSITION` for any other status,
   * `PAYLOAD_TOO_LARGE`
   */
  storeTaskResult(taskId: string, status: "completed" | "failed", result: Result, caller?: Caller): Promise<void>;
  /**
   * The stored result.
   * @throws `TASK_NOT_FOUND`, `RESULT_NOT_READY`; `JsonRpcError` if the task failed with a JSON-RPC
   * error
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
}

/** Reads everything that a store knows of a task. */
export interface TaskReads {
  /**
   * The task with its payloads, or `null` if there is none of this id. With `fields`, the store
   * reads only the payloads that these fields need.
   * @example
   * const record = await store.getRecord(taskId, { owner: "alice", fields: ["inputRequests"] });
   * for (const [key, question] of Object.entries(record?.inputRequests ?? {})) show(key, question);
   */
  getRecord<Field extends RecordField = RecordField>(
    taskId: string,
    options?: GetRecordOptions<Field>,
  ): Promise<TaskRecordWith<Field> | null>;
}

/** Creates, changes and ends tasks. */
export interface TaskWrites {
  /**
   * Creates a task unless its key has one: then it returns that one, with `created: false`.
   * @throws as without a key, and `DEDUPE_CONFLICT` if the key's task has another request
   * @example
   * const task = { name: "charge", arguments: { order: 17 }, dedupeKey: "order-17" };
   * const { taskId, created } = await store.createTask(task);
   */
  createTask(task: NewTaskOptions & { dedupeKey: string }): Promise<CreatedTask>;
  /**
   * Creates a task in status `working` for a tool (`name`, `arguments`) or for any other request
   * (`method`, `params`). The task is durable when the promise resolves.
   * @throws `TASK_EXISTS`, `LIMIT_EXCEEDED`, `PAYLOAD_TOO_LARGE`, `INVALID_ARGUMENT`
   * @example
   * const { taskId } = await store.createTask({
   *   name: "render",
   *   arguments: { frames: 240 },
   *   owner: "alice",
   * });
   */
  createTask(task: NewTaskOptions): Promise<Task>;
  /**
   * Changes the status, message, checkpoint or a step in one write. Returns the task after the
   * change.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `LEASE_LOST`, `PAYLOAD_TOO_LARGE`
   * @example
   * const change = { statusMessage: "50 %", checkpoint: { frame: 120 } };
   * await store.updateTask(taskId, change, { lease });
   */
  updateTask(taskId: string, change: TaskChange, options?: WriteOptions): Promise<TaskSnapshot>;
  /**
   * Stores the outcome (a result or a JSON-RPC error), the final status and a last message in one
   * step.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `LEASE_LOST`, `PAYLOAD_TOO_LARGE`
   * @example
   * const result = { content: [{ type: "text", text: "done" }] };
   * await store.finishTask(taskId, { status: "completed", result }, { lease });
   */
  finishTask(taskId: string, outcome: TaskOutcome, options?: WriteOptions): Promise<TaskSnapshot>;
  /**
   * Cancels the task. The signal of its runner aborts, in any process.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`
   * @see MCP 2025-11-25, Tasks, "Task Cancellation"; SEP-2663, `tasks/cancel`
   * @example
   * const { task } = await store.cancelTask(taskId, { owner: "alice" });
   */
  cancelTask(taskId: string, options?: CancelTaskOptions): Promise<TaskSnapshot>;
}

/**
 * Writes of a store that are part of a transaction of the application. A store over a synchronous
 * driver returns the task itself, with `Created` as `Task`.
 */
export interface TransactionalWrites<Created = Promise<Task>> {
  /**
   * Creates a task like `createTask` of the store. The task exists once the transaction has
   * committed, and waits and workers hear of it then. After a rollback nothing is left of it.
   * @throws `TASK_EXISTS`, `LIMIT_EXCEEDED`, `PAYLOAD_TOO_LARGE`, `INVALID_ARGUMENT`
   */
  createTask(task: NewTaskOptions): Created;
}

/** Asks the requestor questions, and takes the answers. */
export interface TaskInputs {
  /**
   * Asks the requestor questions, each under a key that the task uses once, and makes the task
   * `input_required`. Asking the same question again under its key changes nothing, so a runner
   * that took over may repeat the questions of the runner before it.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `LEASE_LOST`, `INVALID_ARGUMENT` for a key that
   * already has another question
   * @see SEP-2663, "Input required"
   */
  requestInputs(taskId: string, requests: Record<string, InputRequest>, options?: WriteOptions): Promise<TaskSnapshot>;
  /**
   * Stores answers by key. Unknown and answered keys are ignored, and so is a terminal task. The
   * last answer makes the task `working`. Returns the keys whose answers it stored.
   * @throws `TASK_NOT_FOUND`
   * @see SEP-2663, `tasks/update`
   */
  provideInputs(taskId: string, responses: Record<string, unknown>, options?: OwnerOptions): Promise<string[]>;
  /**
   * Waits for the answer to a question. Any process may provide it.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `TASK_EXPIRED`, `INVALID_ARGUMENT` for a key without
   * a question
   */
  awaitInput(taskId: string, key: string, options?: WaitOptions): Promise<unknown>;
}

/** Waits for changes made by any process. */
export interface TaskWaits {
  /**
   * Waits until the task has the state asked for, and returns its record in that state: the fields
   * that cost nothing to read, and those of `fields`.
   * @throws `TASK_NOT_FOUND`, `TASK_EXPIRED` if it expires during the wait, `STORE_CLOSED`
   * @example
   * const { task, revision } = await store.waitForTask(taskId, { until: "change", after: seen });
   * @example
   * const { task, result } = await store.waitForTask(taskId, { fields: ["result"] });
   */
  waitForTask<Field extends RecordField = never>(
    taskId: string,
    options?: WaitForTaskOptions<Field>,
  ): Promise<TaskRecordWith<Field>>;
  /**
   * Waits for the end of the task and returns its result.
   * @throws as `waitForTask` and `getTaskResult`
   * @example
   * const result = await store.waitForResult(taskId, { owner: "alice", timeoutMs: 60_000 });
   */
  waitForResult(taskId: string, options?: WaitOptions): Promise<Result>;
  /**
   * Calls `listener` with the state after each change, in order of revision. Changes in quick
   * succession may come as one. `names` and `statuses` narrow it. With a `taskId`, the present
   * state comes first and the last state is never missed. Without one, changes made while the
   * connection to the backend is cut may be missed. Returns a function that ends the subscription.
   * An error thrown by `listener` goes to `onError`.
   * @example
   * const stop = await store.subscribe(({ task }) => console.log(task.taskId, task.status));
   */
  subscribe(listener: (event: TaskSnapshot) => void, options?: SubscribeOptions): Promise<() => void>;
}

/** Gives each task to one runner at a time. */
export interface TaskLeases {
  /**
   * Takes the task's lease for a runner.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `LEASE_HELD` while another runner holds it
   */
  acquireLease(taskId: string, options?: OwnerOptions & LeaseOptions): Promise<Lease>;
  /**
   * Renews the lease for its duration from now: the runner's heartbeat.
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `LEASE_LOST`
   */
  renewLease(lease: Lease, options?: RenewOptions): Promise<void>;
  /**
   * Gives the lease back: another runner may take the task at once, and this lease writes no more.
   * A task whose ttl has passed under the lease expires with it. A lease is no change of the task,
   * so waits see that expiry at the next fallback poll (`fallbackPollMs`).
   * @throws `TASK_NOT_FOUND`, `TASK_TERMINAL`, `LEASE_LOST`
   */
  releaseLease(lease: Lease, options?: ReleaseOptions): Promise<void>;
  /**
   * Takes a task that no runner holds: never leased and older than its `claimAfterMs`, given back,
   * or left by a runner that died. Returns `null` if there is none. No task goes to two callers.
   * @example
   * const claimed = await store.claimTask({ names: ["render"] });
   * if (claimed) await runTask(store, claimed.lease.taskId, render, { lease: claimed.lease });
   */
  claimTask(options: ClaimTaskOptions): Promise<ClaimedTask | null>;
  /**
   * Like `claimTask`, but takes up to `limit` tasks in one step. Of several names, one may come
   * before the others. Returns an empty array if there is none.
   * @example
   * const claimed = await store.claimTasks({ names: ["render"], limit: 8 });
   */
  claimTasks(options: ClaimTasksOptions): Promise<ClaimedTask[]>;
  /**
   * Calls `listener` with the name of a task that `claimTask` can take at once, made by any process
   * with `claimAfterMs: 0`; with `undefined` when there may be tasks of any name. It costs no read.
   * Signals can be lost and leases lapse in silence, so claim from time to time as well. Returns a
   * function that ends it. `startWorker` does all of this.
   * @example
   * const stop = await store.watchClaimable((name) => name === "render" && claimNext());
   */
  watchClaimable(listener: (name: string | undefined) => void): Promise<() => void>;
}

/** Reads what the runners of a task have left. */
export interface TaskStepReads {
  /**
   * The steps that runners have kept by `updateTask` and `releaseLease`, and how many attempts have
   * failed. `runTask` and workers do all of this: see `step` of `TaskContext`.
   * @throws `TASK_NOT_FOUND`, `NOT_SUPPORTED` if the store's backend keeps no steps
   */
  readSteps(taskId: string, options?: OwnerOptions): Promise<TaskSteps>;
}

/**
 * The part of a store that runs and pollers use. `runTask`, `startWorker` and `startPoller` take
 * any object with these methods.
 */
export type RunnerStore = TaskReads &
  TaskWrites &
  TaskInputs &
  TaskWaits &
  TaskLeases &
  TaskStepReads & {
    /** With it, the trace of a run that takes over has a link to the run before it. */
    readonly operations?: Pick<TaskOperations, "getRecord"> | undefined;
  };

/**
 * Durable tasks for MCP servers and clients. `SdkTaskStore` has the methods that SDK 1.x calls, and
 * `messages` is its `TaskMessageQueue`. The other roles have what both generations of MCP tasks
 * need; a function that uses only some of them can name those as the type of its argument.
 *
 * Every method may reject with `BACKEND_UNAVAILABLE`, `SCHEMA_MISMATCH`, `STORE_CLOSED`, and with
 * `INVALID_ARGUMENT` for invalid arguments. A task of another owner is `TASK_NOT_FOUND`, as is an
 * expired one.
 */
export interface TaskStore
  extends SdkTaskStore,
    TaskReads,
    TaskWrites,
    TaskInputs,
    TaskWaits,
    TaskLeases,
    TaskStepReads,
    AsyncDisposable {
  readonly capabilities: Capabilities;
  /** The message queue for SDK 1.x. */
  readonly messages: TaskMessageQueue;

  createTask(task: NewTaskOptions & { dedupeKey: string }): Promise<CreatedTask>;
  createTask(task: NewTaskOptions): Promise<Task>;
  createTask(options: CreateTaskOptions, requestId: RequestId, request: Request, caller?: Caller): Promise<Task>;

  /** What operators see and do. For trusted code: it sees every owner's tasks. */
  readonly operations: TaskOperations;

  /** What `startNotifier` uses. For trusted code: it sees every owner's tasks. */
  readonly events: TaskEvents;

  /**
   * Deletes expired tasks and messages, and returns how many. The store also does this every
   * `sweepIntervalMs`. Reads never show an expired task, deleted or not.
   * @param options.limit Deletes at most this many tasks and this many messages. If fewer than
   * `limit` were deleted in all, none is left.
   * @default 1000
   */
  deleteExpired(options?: { limit?: number | undefined }): Promise<number>;
  /**
   * Ends waits with `STORE_CLOSED` and closes what the store opened. Calling it again does nothing.
   */
  close(): Promise<void>;
}
