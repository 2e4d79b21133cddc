import { isDeepStrictEqual } from "node:util";
import { invalid, isTaskStoreError, type TaskStoreError } from "../contract/errors.ts";
import { errorObjectOf } from "../contract/json-rpc.ts";
import { isUnstorable, type LeasedTask } from "../contract/leased-task.ts";
import type { TaskOutcome } from "../contract/record.ts";
import type { ErrorObject, Result, TaskStatus } from "../contract/task.ts";
import { persisted } from "./persisted.ts";

/**
 * A failure whose status message says why. @see MCP 2025-11-25, Tasks, "Task Status"; SEP-2663,
 * "Task Status"
 */
export function failure(error: ErrorObject): TaskOutcome {
  return { status: "failed", error, statusMessage: error.message };
}

/** The outcome of a handler that returned. */
export function resultOutcome(result: Result): TaskOutcome {
  if (typeof result !== "object" || result === null) throw invalid("The handler must return a result object");
  return { status: result["isError"] === true ? "failed" : "completed", result };
}

/** `error`: why another outcome was stored than the given one. `refused`: why none was stored. */
export type Stored = { status: TaskStatus; error?: unknown } | { refused: unknown };

/** Stores the outcome, or a failure in place of one that the store refuses. */
export async function storeOutcome(leased: LeasedTask, outcome: TaskOutcome): Promise<Stored> {
  const finished = await persisted(leased.lease.leaseMs, () => leased.finish(outcome));
  if ("written" in finished) return { status: finished.written.task.status };
  const { error, again } = finished;
  // A write whose answer was lost looks like a task that somebody else ended.
  const lostAnswer = again && isTaskStoreError(error, "TASK_TERMINAL");
  if (lostAnswer && (await holds(leased, outcome))) return { status: outcome.status };
  const instead = isUnstorable(error) ? insteadOf(outcome, error) : undefined;
  return instead ? { error, ...(await storeOutcome(leased, instead)) } : { refused: error };
}

async function holds(leased: LeasedTask, outcome: TaskOutcome): Promise<boolean> {
  const record = await leased.read(["result", "error"]).catch(() => null);
  if (record?.task.status !== outcome.status) return false;
  return isDeepStrictEqual(
    "error" in outcome ? record.error : record.result,
    JSON.parse(JSON.stringify("error" in outcome ? outcome.error : outcome.result)),
  );
}

/**
 * The failure to store in place of an outcome that the store refuses. `undefined` if the store
 * refuses that, too.
 */
function insteadOf(outcome: TaskOutcome, refusal: TaskStoreError): TaskOutcome | undefined {
  if ("error" in outcome) {
    const { data, ...error } = outcome.error;
    if (data !== undefined) return failure(error);
    if (error.message === refusal.message) return undefined;
  }
  return failure(errorObjectOf(refusal));
}
