import {
  type Caps,
  type InsertOutcome,
  initialTask,
  isExpired,
  type NewTask,
  withPayloads,
} from "@mcp-task-store/core/backend";
import { type CapStatements, capReached } from "./on-demand.ts";
import type { Statements } from "./statements.ts";

/**
 * Inserts a task, unless its id exists or a cap is reached. Call this in a transaction.
 * @param counts needed if there are caps
 */
export function insertTask(
  statements: Statements,
  counts: CapStatements | undefined,
  task: NewTask,
  caps: Caps,
  now: number,
): InsertOutcome {
  const reached = counts && capReached(counts, caps, task.owner, now);
  const inserted = initialTask(task, statements.nextChange(), now);
  if (reached || !statements.insert(inserted, task.request)) {
    const existing = statements.read(task.taskId, null);
    if (existing && !isExpired(existing, now)) return { refused: "duplicate" };
    if (reached) return { refused: reached };
    if (existing) statements.deleteTasks([existing]);
    statements.insert(inserted, task.request);
  }
  return { inserted: withPayloads(inserted) };
}

export function hasCaps(caps: Caps): boolean {
  return caps.activeTasks !== null || caps.activeTasksPerOwner !== null;
}
