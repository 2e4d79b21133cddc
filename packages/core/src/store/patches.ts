import type { StoredTask } from "../backend/stored-task.ts";
import type { Patch } from "../backend/task-backend.ts";
import { invalid, JsonRpcError, noResult, notFound, TaskStoreError } from "../contract/errors.ts";
import { decodePayload, type Encode } from "../contract/json.ts";
import type { TaskChange, TaskOutcome } from "../contract/record.ts";
import { type ErrorObject, isTaskStatus, isTerminal, type Result } from "../contract/task.ts";

import { stepOf } from "./steps.ts";

/** An outcome as it is stored. */
type Content = { result: Result } | { error: ErrorObject };

type WritablePatch = { -readonly [Field in keyof Patch]: Patch[Field] };

/** The patch for this change. @throws `INVALID_ARGUMENT`, `PAYLOAD_TOO_LARGE` */
export function changePatch(taskId: string, change: TaskChange, encode: Encode): WritablePatch {
  const { status, statusMessage, checkpoint, step } = change;
  if (status === undefined && statusMessage === undefined && checkpoint === undefined && step === undefined)
    throw invalid("A change needs a status, a statusMessage, a checkpoint or a step", taskId);
  if (status !== undefined && !isTaskStatus(status))
    throw invalid("status must be working, input_required, completed, failed or cancelled", taskId);
  if (statusMessage !== undefined && typeof statusMessage !== "string")
    throw invalid("statusMessage must be a string", taskId);
  const patch: WritablePatch = {};
  if (status !== undefined) patch.status = status;
  if (statusMessage !== undefined) patch.statusMessage = encode(statusMessage, "status message");
  if (checkpoint !== undefined) patch.checkpoint = encode(checkpoint, "checkpoint");
  if (step !== undefined) patch.step = stepOf(step, encode);
  return patch;
}

/**
 * The patch for this outcome.
 * @throws `INVALID_TRANSITION`, `INVALID_ARGUMENT`, `PAYLOAD_TOO_LARGE`
 */
export function outcomePatch(taskId: string, outcome: TaskOutcome, encode: Encode): Patch {
  const { status, statusMessage } = outcome;
  const failed = "error" in outcome;
  if (status !== "failed" && (failed || status !== "completed")) {
    const message = "A result is stored with status completed or failed, an error with status failed";
    throw new TaskStoreError("INVALID_TRANSITION", message, { taskId });
  }
  if (failed && "result" in outcome) throw invalid("A task ends with a result or an error, not with both", taskId);
  const content: Content = failed ? { error: outcome.error } : { result: outcome.result };
  const value: unknown = failed ? outcome.error : outcome.result;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid("The result or error must be an object", taskId);
  if (failed && !(Number.isSafeInteger(outcome.error.code) && typeof outcome.error.message === "string"))
    throw invalid("A JSON-RPC error needs an integer code and a message", taskId);
  const patch = changePatch(taskId, { status, statusMessage }, encode);
  patch.outcome = encode(content, failed ? "error" : "result");
  return patch;
}

/**
 * The result of a task that was read with its outcome.
 * @throws `TASK_NOT_FOUND`, `RESULT_NOT_READY`, the stored error
 */
export function resultOf(taskId: string, task: StoredTask | undefined): Result {
  if (!task) throw notFound(taskId);
  if (!isTerminal(task.status) || task.outcome == null) throw noResult(taskId, task.status);
  const content = decodePayload<Content>(task.outcome);
  if ("error" in content) throw new JsonRpcError(content.error.code, content.error.message, content.error.data);
  return content.result;
}
