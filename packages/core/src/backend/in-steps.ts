import { isTaskStoreError, TaskStoreError } from "../contract/errors.ts";

/**
 * Makes a call that writes in several steps, each of which calls `wrote` once it has written. If a
 * later step fails with `not-applied`, the call rejects with `unknown`, because a part of it was
 * applied.
 * @example
 * const removed = await inSteps(async (wrote) => {
 *   for (const batch of batches) {
 *     await remove(batch);
 *     wrote();
 *   }
 * });
 */
export async function inSteps<T>(call: (wrote: () => void) => Promise<T>): Promise<T> {
  let begun = false;
  try {
    return await call(() => {
      begun = true;
    });
  } catch (error) {
    throw begun && isTaskStoreError(error) && error.write === "not-applied" ? partlyApplied(error) : error;
  }
}

function partlyApplied({ code, taskId, cause }: TaskStoreError): TaskStoreError {
  const message = "The call failed after a part of it was done: call it again, and it does the rest";
  return new TaskStoreError(code, message, { taskId, cause, write: "unknown" });
}

/** Waits for all, also for those after a failure. Then it rejects with the first failure. */
export async function allDone<T>(steps: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(steps);
  return Promise.all(steps);
}
