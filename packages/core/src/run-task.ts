import { ANY_OWNER, type InputRequest, type Lease, type TaskRecord, type TaskStore } from "./contract.ts";
import { invalid, isTaskStoreError, notFound } from "./errors.ts";
import { Run } from "./run.ts";
import { checkNumber, DEFAULT_LEASE_MS, MAX_TIMER_MS } from "./settings.ts";
import type { Request, Result, TaskStatus } from "./task.ts";

/** What a handler is given. */
export interface TaskContext {
  readonly taskId: string;
  readonly request: Request;
  /** What the creator of the task left for its runner. */
  readonly context: Record<string, unknown> | undefined;
  /** 1 for the first run, 2 for the run after a lost runner, and so on. */
  readonly attempt: number;
  /** What a run before this one saved last (see `progress`); `undefined` if nothing. */
  readonly checkpoint: unknown;
  /**
   * Aborts when the task was cancelled or ended otherwise by anyone anywhere, when it expired, at the deadline, when the lease was lost, when the store
   * closed, and when the runner is told to stop. The reason is the `TaskStoreError`, or the reason of the runner's own signal.
   */
  readonly signal: AbortSignal;
  /**
   * Sets the status message and, if given, saves a checkpoint (JSON) with it in one step: should this run be lost, the next
   * one finds it in `checkpoint`. It is written whole each time, so keep it small or save it now and then. Resolves to false, and changes nothing, once the run is over; it never rejects for that reason.
   * @throws `BACKEND_UNAVAILABLE`, `PAYLOAD_TOO_LARGE`, `INVALID_ARGUMENT`
   */
  progress(message: string, checkpoint?: unknown): Promise<boolean>;
  /**
   * Asks the user. The question waits in the store, as an input request of the task, until any process stores the answer; on SDK 1.x it
   * needs `deliver` (see `RunTaskOptions`) to get to the client.
   * @throws the reason of `signal`; a `TimeoutError`; what `deliver` rejects with
   * @see MCP 2025-11-25, "Elicitation"
   */
  elicit(params: Record<string, unknown>, options?: InputOptions): Promise<ElicitResult>;
  /** Asks the requestor's model, as `elicit` asks the user. @see MCP 2025-11-25, "Sampling" */
  sample(params: Record<string, unknown>, options?: InputOptions): Promise<CreateMessageResult>;
}

/** A user's answer. @see MCP 2025-11-25, schema `ElicitResult` */
export interface ElicitResult extends Result {
  action: "accept" | "decline" | "cancel";
  content?: Record<string, unknown> | undefined;
}

/** A model's answer. @see MCP 2025-11-25, schema `CreateMessageResult` */
export interface CreateMessageResult extends Result {
  role: "user" | "assistant";
  content: unknown;
  model: string;
  stopReason?: string | undefined;
}

export interface InputOptions {
  /**
   * The key of the question. Default: made of the question itself, so that a run that asks the same things in the same order as
   * the lost run before it gets the answers that were given to that one.
   */
  key?: string | undefined;
  /** Rejects with a `TimeoutError` when there is no answer after that many milliseconds. Default: `inputTimeoutMs` of the run. */
  timeoutMs?: number | undefined;
}

/** Which question `deliver` is to take to whom. */
export interface DeliverContext {
  readonly taskId: string;
  readonly owner: string | undefined;
  /** The question's key in the task. */
  readonly key: string;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** Does the work of a task. What it returns becomes the result; what it throws, the error. */
export type TaskHandler = (task: TaskContext) => Result | Promise<Result>;

export interface RunTaskOptions {
  /** A lease that the caller took before (see `claimTask`). Default: `runTask` takes one. */
  lease?: Lease | undefined;
  /** The lease lapses that many milliseconds after the last heartbeat, and another runner may take over. Default 30,000. */
  leaseMs?: number | undefined;
  /** Milliseconds between heartbeats; at most half of the lease. Default: a third. */
  heartbeatMs?: number | undefined;
  /** The task fails when the handler takes longer than that many milliseconds. Default: no deadline. */
  timeoutMs?: number | undefined;
  /** How long `elicit` and `sample` wait for an answer, in milliseconds. Default: as long as the task lives. */
  inputTimeoutMs?: number | undefined;
  /**
   * Takes a question of `elicit` or `sample` to the requestor and resolves to the answer, which is then stored; for SDK 1.x, whose clients do not see
   * what waits in the store. If it rejects, so does `elicit` or `sample`; where a run may begin before the client is connected again, let it wait for
   * the client. The package's README has an example. Default: the question is left in the store for `provideInputs`.
   */
  deliver?: ((question: InputRequest, about: DeliverContext) => Promise<Result>) | undefined;
  /** Tells the runner to stop: the handler's signal aborts, and the lease is given back, so that another runner may go on at once. */
  signal?: AbortSignal | undefined;
}

/** How a run ended. */
export interface RunOutcome {
  /** The result or error of this run became the task's. */
  stored: boolean;
  /** The task's status as this run last saw it; `undefined` if it never did. */
  status: TaskStatus | undefined;
  /** What the handler returned, stored or not. */
  result?: Result;
  /** What the handler threw, stored or not. */
  error?: unknown;
  /** Why the run could not start, or why `signal` was aborted. */
  reason?: unknown;
}

/** @throws TaskStoreError `INVALID_ARGUMENT` for an option that cannot be right */
export function checkRunOptions(options: RunTaskOptions): { durationMs: number; heartbeatMs: number } {
  const { lease, leaseMs = DEFAULT_LEASE_MS, timeoutMs = 0, inputTimeoutMs = 0 } = options;
  const durationMs = lease?.durationMs ?? checkNumber("leaseMs", leaseMs, 2, MAX_TIMER_MS);
  checkNumber("timeoutMs", timeoutMs, 0, MAX_TIMER_MS);
  checkNumber("inputTimeoutMs", inputTimeoutMs, 0, MAX_TIMER_MS);
  const heartbeatMs = checkNumber("heartbeatMs", options.heartbeatMs ?? durationMs / 3, 0.5, durationMs / 2);
  return { durationMs, heartbeatMs: Math.min(heartbeatMs, MAX_TIMER_MS) };
}

/**
 * Runs a task in this process: takes its lease, renews it while `handler` runs, and stores the result or the error, once.
 *
 * - A result with `isError: true` is stored as `failed` with that result (MCP 2025-11-25, Tasks, "Tool Execution
 *   Errors"); an error that is thrown, as `failed` with a JSON-RPC error: its own `code` if that is an integer,
 *   otherwise -32603; its message is the status message, too.
 * - When the task ends, expires or is taken over meanwhile, nothing that the handler does is stored.
 * - When the task cannot be started, because it is gone, has ended or is run by another, or because the backend cannot be
 *   reached, the handler is not called, and the outcome's `reason` is the `TaskStoreError`.
 * - The promise resolves after the handler has settled. It never rejects for what becomes of the task, so a server may leave it alone.
 *
 * @throws `INVALID_ARGUMENT` for an option that cannot be right
 */
export async function runTask(
  store: TaskStore,
  taskId: string,
  handler: TaskHandler,
  options: RunTaskOptions = {},
): Promise<RunOutcome> {
  const { lease: given } = options;
  const { durationMs, heartbeatMs } = checkRunOptions(options);
  if (given && given.taskId !== taskId) throw invalid("The lease is of another task", taskId);
  let lease: Lease | undefined = given;
  let record: TaskRecord | null;
  try {
    lease ??= await store.acquireLease(taskId, { owner: ANY_OWNER, durationMs });
    record = await store.getRecord(taskId, { owner: ANY_OWNER });
    if (!record) throw notFound(taskId);
  } catch (reason) {
    // Nobody would run it until the lease lapses, and that would count as a lost runner.
    if (lease) await store.releaseLease(lease).catch(() => undefined);
    return { stored: false, status: isTaskStoreError(reason) ? reason.status : undefined, reason };
  }
  return new Run(store, lease, record, heartbeatMs, options).run(handler);
}
