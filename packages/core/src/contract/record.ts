import type { ErrorObject, Request, RequestId, Result, Task, TaskStatus } from "./task.ts";

/** A question to the requestor. @see SEP-2663, `InputRequest` */
export interface InputRequest {
  /** For instance `elicitation/create` or `sampling/createMessage`. */
  method: string;
  params?: Record<string, unknown> | undefined;
}

/**
 * How a task ended. `failed` holds either a result (a tool's `isError` result, say) or a JSON-RPC
 * error.
 */
export type TaskOutcome =
  | { status: "completed" | "failed"; result: Result; statusMessage?: string | undefined }
  | { status: "failed"; error: ErrorObject; statusMessage?: string | undefined };

/** A change for `updateTask`. It has at least one of these fields. */
export interface TaskChange {
  status?: TaskStatus | undefined;
  statusMessage?: string | undefined;
  /**
   * The progress of the work, for the next runner of the task. JSON. The requestor never sees it.
   */
  checkpoint?: unknown;
  /** A step of the work that is done, for the next runner of the task. */
  step?: KeptStep | undefined;
}

/** The result of a step, which the store keeps apart from those of other steps. */
export interface KeptStep {
  /** 1 to 512 characters. */
  name: string;
  /** JSON, or `undefined`. */
  result: unknown;
}

/** What the runners of a task have left for the next one. */
export interface TaskSteps {
  /** The results of steps, by name. */
  readonly results: ReadonlyMap<string, unknown>;
  /** How many attempts have failed and given the task back. */
  readonly failures: number;
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
  /**
   * Questions that wait for an answer, by key; empty for a terminal task. @see SEP-2663,
   * `inputRequests`
   */
  inputRequests: Record<string, InputRequest>;
  /** Present once the task ended with one. */
  result?: Result;
  /** Present once the task failed with a JSON-RPC error. */
  error?: ErrorObject;
  /** The checkpoint that a runner last saved for the next runner of the task. */
  checkpoint: unknown;
  /**
   * How many runners have taken the task and not given it back: the present one, and those that
   * were lost.
   */
  attempt: number;
  /** ISO 8601, UTC: from then on a worker may claim the task; `undefined` for a terminal one. */
  claimableAt: string | undefined;
}

/** A field of a record that a store reads only if it is asked for: see `getRecord`. */
export type RecordField = "requestId" | "request" | "context" | "inputRequests" | "result" | "error" | "checkpoint";

/** A record with these fields, and with those that cost nothing to read. */
export type TaskRecordWith<Field extends RecordField> = Pick<
  TaskRecord,
  Exclude<keyof TaskRecord, RecordField> | Field
>;

/** A runner's right to a task, with its fencing token. */
export interface Lease {
  readonly taskId: string;
  /** Larger than that of every lease of this task before. */
  readonly token: number;
  /**
   * 1 for the first runner, and one more for each that was lost since; a lease that was given back
   * does not count.
   */
  readonly attempt: number;
  readonly leaseMs: number;
}

/** A task that `claimTask` handed to this caller. */
export interface ClaimedTask {
  readonly lease: Lease;
  readonly record: TaskRecord;
}
