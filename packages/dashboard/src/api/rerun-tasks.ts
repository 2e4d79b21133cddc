import {
  type BulkOptions,
  type BulkOutcome,
  isTaskStoreError,
  isTerminal,
  type OperatorRecord,
  type TaskFilter,
  type TaskOperations,
} from "@mcp-task-store/core";

/** Tasks that are made again at once. */
const STEP = 20;

/**
 * Makes new tasks of the ended tasks that match, once each: a task that was run again before is
 * skipped as changed.
 */
export async function rerunTasks(
  operations: TaskOperations,
  where: TaskFilter,
  { dryRun, signal, onProgress }: BulkOptions,
): Promise<BulkOutcome> {
  const outcome: BulkOutcome = { done: 0, skipped: {}, scanned: 0 };
  let cursor: string | undefined;
  do {
    signal?.throwIfAborted();
    const page = await operations.listRecords({ where, order: "oldest", limit: STEP, scan: 10_000, cursor });
    const results = await Promise.all(page.records.map((record) => rerun(operations, record, dryRun === true)));
    for (const result of results) {
      if (result === "done") outcome.done += 1;
      else outcome.skipped[result] = (outcome.skipped[result] ?? 0) + 1;
    }
    outcome.scanned += page.scanned;
    cursor = page.nextCursor;
    onProgress?.({ ...outcome, skipped: { ...outcome.skipped } });
  } while (cursor !== undefined);
  return outcome;
}

async function rerun(
  operations: TaskOperations,
  { task, history }: OperatorRecord,
  dryRun: boolean,
): Promise<"done" | "active" | "changed"> {
  if (!isTerminal(task.status)) return "active";
  if (history.some(({ event }) => event === "rerun")) return "changed";
  try {
    if (!dryRun) await operations.rerunTask(task.taskId);
    return "done";
  } catch (error) {
    // It has expired or was removed since.
    if (isTaskStoreError(error, "TASK_NOT_FOUND")) return "changed";
    throw error;
  }
}
