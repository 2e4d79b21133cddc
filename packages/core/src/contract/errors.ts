import type { TaskStatus } from "./task.ts";

/**
 * Returns a `TaskStoreError` as it is. Any other error of a backend means that the database failed
 * or could not be reached.
 */
export function asStoreError(error: unknown): TaskStoreError {
  if (isTaskStoreError(error)) return error;
  return new TaskStoreError("BACKEND_UNAVAILABLE", "The task store's backend could not be reached or failed", {
    cause: error,
  });
}

/** The kind of an error. `tooling/docs/reference/errors.md` has a paragraph on each. */
export type TaskStoreErrorCode =
  | "TASK_NOT_FOUND"
  | "TASK_EXISTS"
  | "DEDUPE_CONFLICT"
  | "TASK_TERMINAL"
  | "TASK_EXPIRED"
  | "INVALID_TRANSITION"
  | "RESULT_NOT_READY"
  | "INVALID_CURSOR"
  | "QUEUE_FULL"
  | "LIMIT_EXCEEDED"
  | "PAYLOAD_TOO_LARGE"
  | "INVALID_ARGUMENT"
  | "LEASE_HELD"
  | "LEASE_LOST"
  | "TASK_GIVEN_BACK"
  | "STORE_CLOSED"
  | "BACKEND_UNAVAILABLE"
  | "SCHEMA_MISMATCH"
  | "PAYLOAD_UNREADABLE"
  | "NOT_SUPPORTED";

export interface TaskStoreErrorDetails {
  /**
   * Of `BACKEND_UNAVAILABLE`: give `not-applied` only if it is certain.
   * @default "unknown"
   */
  write?: "not-applied" | "unknown" | undefined;
  /** The task that the failed call was about. */
  taskId?: string | undefined;
  /** The status that a refused write found. */
  status?: TaskStatus | undefined;
  /** The driver's own error, or that of a listener. */
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
   * Of `BACKEND_UNAVAILABLE`, whether the write was applied. `not-applied`: try it again.
   * `unknown`: its answer was lost, so read the task to find out; or the call writes in several
   * steps, and a part of it was done: call it again. `undefined` for other codes.
   */
  readonly write: "not-applied" | "unknown" | undefined;

  constructor(code: TaskStoreErrorCode, message: string, details: TaskStoreErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.taskId = details.taskId;
    this.status = details.status;
    this.write = code === "BACKEND_UNAVAILABLE" ? (details.write ?? "unknown") : undefined;
  }
}

/**
 * True when `error` is a `TaskStoreError` of any copy of this package, with this code if one is
 * given.
 */
export function isTaskStoreError(error: unknown, code?: TaskStoreErrorCode): error is TaskStoreError {
  if (read(error, "name") !== "TaskStoreError") return false;
  const found = read(error, "code");
  return code === undefined ? typeof found === "string" : found === code;
}

/** A property of something that was thrown, which may be a Proxy or have a getter that throws. */
export function read(thrown: unknown, key: string): unknown {
  try {
    return (thrown as Record<string, unknown> | null | undefined)?.[key];
  } catch {
    return undefined;
  }
}

/**
 * A JSON-RPC error that was stored as a task's outcome, thrown by `getTaskResult` and
 * `waitForResult`. Its `code` is numeric, so that the SDK passes code and message on to the peer as
 * they were.
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

/** The id for a message, cut off if it is very long. A caller without types may pass any value. */
function shown(taskId: unknown): string {
  if (typeof taskId !== "string") return `(${typeof taskId})`;
  return taskId.length <= 128 ? taskId : `${taskId.slice(0, 128)}...`;
}

// The following messages have the words of SDK 1.x's in-memory store, because callers match on
// them.

export function notFound(taskId: unknown): TaskStoreError {
  const details = typeof taskId === "string" ? { taskId } : {};
  return new TaskStoreError("TASK_NOT_FOUND", `Task with ID ${shown(taskId)} not found`, details);
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

export function exists(taskId: string): TaskStoreError {
  return new TaskStoreError("TASK_EXISTS", `Task with ID ${shown(taskId)} already exists`, { taskId });
}

export function leaseHeld(taskId: string): TaskStoreError {
  return new TaskStoreError("LEASE_HELD", `Another runner holds the lease of task ${shown(taskId)}`, { taskId });
}

export function leaseLost(taskId: string): TaskStoreError {
  return new TaskStoreError(
    "LEASE_LOST",
    `The lease of task ${shown(taskId)} was lost: another runner may have the task`,
    { taskId },
  );
}

export function invalid(message: string, taskId?: string, cause?: unknown): TaskStoreError {
  return new TaskStoreError("INVALID_ARGUMENT", message, { taskId, cause });
}

export function givenBack(taskId: string, why: string): TaskStoreError {
  return new TaskStoreError("TASK_GIVEN_BACK", `The run gave the task back: ${why}`, { taskId });
}

export function dedupeConflict(taskId: string): TaskStoreError {
  const message = "The dedupeKey has made a task of another request: use a key for one request only";
  return new TaskStoreError("DEDUPE_CONFLICT", message, { taskId });
}

/** A call needs a method that the backend lacks. */
export function notSupported(what: string, method: string): TaskStoreError {
  return new TaskStoreError("NOT_SUPPORTED", `The store's backend cannot ${what}: it has no ${method}()`);
}

export function notWithCodec(): TaskStoreError {
  const message = "in() creates tasks at once, and the option codec takes its time: use createTask, or leave codec out";
  return new TaskStoreError("NOT_SUPPORTED", message);
}

/**
 * A codec cannot read a payload, or cannot write it for want of a key.
 * @param why Names the key or the stage, and nothing of the payload.
 */
export function unreadable(why: string, taskId?: string, cause?: unknown): TaskStoreError {
  return new TaskStoreError("PAYLOAD_UNREADABLE", `A payload of the task cannot be read or written: ${why}`, {
    taskId,
    cause,
  });
}

/** The same error, with its task. */
export function naming(taskId: string, { code, message, cause }: TaskStoreError): TaskStoreError {
  return new TaskStoreError(code, message, { taskId, cause });
}

/** What `onError` gets if a listener of the application throws. */
export function listenerFailed(cause: unknown, taskId?: string): TaskStoreError {
  if (isTaskStoreError(cause)) return cause;
  return new TaskStoreError("INVALID_ARGUMENT", "A listener threw an error: see the cause", { taskId, cause });
}

export function storeClosed(): TaskStoreError {
  return new TaskStoreError("STORE_CLOSED", "The task store is closed");
}

export function refusedUnchanged(taskId: string): TaskStoreError {
  const message = `The task store's backend refused a write to task ${shown(taskId)}, which had not changed since it was read`;
  return new TaskStoreError("BACKEND_UNAVAILABLE", message, { taskId, write: "not-applied" });
}
