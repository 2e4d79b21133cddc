import type { TaskStatus } from "./task.ts";

/** What went wrong, for programs. The package's README has a paragraph on each. */
export type TaskStoreErrorCode =
  | "TASK_NOT_FOUND"
  | "TASK_TERMINAL"
  | "TASK_EXPIRED"
  | "INVALID_TRANSITION"
  | "RESULT_NOT_READY"
  | "INVALID_CURSOR"
  | "QUEUE_FULL"
  | "LIMIT_EXCEEDED"
  | "PAYLOAD_TOO_LARGE"
  | "INVALID_ARGUMENT"
  | "LEASE_LOST"
  | "STORE_CLOSED"
  | "BACKEND_UNAVAILABLE"
  | "SCHEMA_MISMATCH";

export interface TaskStoreErrorDetails {
  /** Of `BACKEND_UNAVAILABLE`: give `not-applied` only if it is certain. Default: `unknown`. */
  outcome?: "not-applied" | "unknown" | undefined;
  /** The task that the failed call was about. */
  taskId?: string | undefined;
  /** The status that a refused write found. */
  status?: TaskStatus | undefined;
  /** The driver's own error. */
  cause?: unknown;
}

/**
 * The one error of every store. Match on `code`, never on the message and never with `instanceof`
 * (two copies of this package may be loaded). Messages may reach the remote peer, so they hold no
 * address, SQL, credential or payload; those are in `cause` at most.
 */
export class TaskStoreError extends Error {
  override readonly name = "TaskStoreError";
  readonly code: TaskStoreErrorCode;
  readonly taskId: string | undefined;
  readonly status: TaskStatus | undefined;
  /**
   * Of `BACKEND_UNAVAILABLE`, what became of the write: `not-applied` means that it can be tried again; `unknown`, that its answer was lost,
   * so that reading has to tell. `undefined` for other codes.
   */
  readonly outcome: "not-applied" | "unknown" | undefined;

  constructor(code: TaskStoreErrorCode, message: string, details: TaskStoreErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.taskId = details.taskId;
    this.status = details.status;
    this.outcome = code === "BACKEND_UNAVAILABLE" ? (details.outcome ?? "unknown") : undefined;
  }
}

/** True when `error` is a `TaskStoreError` of any copy of this package, with this code if one is given. */
export function isTaskStoreError(error: unknown, code?: TaskStoreErrorCode): error is TaskStoreError {
  return (
    error instanceof Error &&
    error.name === "TaskStoreError" &&
    (code === undefined || (error as TaskStoreError).code === code)
  );
}

/**
 * A JSON-RPC error that was stored as a task's outcome, thrown by `getTaskResult` and `waitForResult`.
 * Its `code` is numeric, so that the SDK passes code and message on to the peer as they were.
 * @see JSON-RPC 2.0, section 5.1
 */
export class JsonRpcError extends Error {
  override readonly name = "JsonRpcError";
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/** An id as it may stand in a message: whole when it is of a sane length. */
function shown(taskId: string): string {
  return taskId.length <= 128 ? taskId : `${taskId.slice(0, 128)}...`;
}

// The words of the following messages are those of the in-memory store of SDK 1.x: callers match on them.

export function notFound(taskId: string): TaskStoreError {
  return new TaskStoreError("TASK_NOT_FOUND", `Task with ID ${shown(taskId)} not found`, { taskId });
}

export function cannotUpdate(taskId: string, from: TaskStatus, to: TaskStatus | undefined): TaskStoreError {
  const target = to === undefined ? "" : ` to '${to}'`;
  const message = `Cannot update task ${shown(taskId)} from terminal status '${from}'${target}. Terminal states (completed, failed, cancelled) cannot transition to other states.`;
  return new TaskStoreError("TASK_TERMINAL", message, { taskId, status: from });
}

export function cannotStoreResult(taskId: string, status: TaskStatus): TaskStoreError {
  const message = `Cannot store result for task ${shown(taskId)} in terminal status '${status}'. Task results can only be stored once.`;
  return new TaskStoreError("TASK_TERMINAL", message, { taskId, status });
}

export function cannotCancel(taskId: string, status: TaskStatus): TaskStoreError {
  return new TaskStoreError("TASK_TERMINAL", `Cannot cancel task in terminal status: ${status}`, { taskId, status });
}

export function noResult(taskId: string, status: TaskStatus): TaskStoreError {
  return new TaskStoreError(
    "RESULT_NOT_READY",
    `Task ${shown(taskId)} has no result stored; its status is '${status}'`,
    {
      taskId,
      status,
    },
  );
}

export function expired(taskId: string): TaskStoreError {
  return new TaskStoreError("TASK_EXPIRED", `Task ${shown(taskId)} expired: its ttl has passed`, { taskId });
}

export function leaseLost(taskId: string): TaskStoreError {
  return new TaskStoreError("LEASE_LOST", `Another runner holds the lease of task ${shown(taskId)}`, { taskId });
}

export function invalid(message: string, taskId?: string, cause?: unknown): TaskStoreError {
  return new TaskStoreError("INVALID_ARGUMENT", message, { taskId, cause });
}

export function storeClosed(): TaskStoreError {
  return new TaskStoreError("STORE_CLOSED", "The task store is closed");
}
