import { isTerminal } from "@mcp-task-store/core";
import {
  isExpired,
  isStepText,
  PAYLOAD_FIELDS,
  type RestoredTask,
  type Rewrite,
  type StoredTask,
  stepOf,
} from "@mcp-task-store/core/backend";
import type { Messages } from "./messages.ts";
import type { Statements } from "./statements.ts";

// What operators' calls do in a transaction.

interface Tables {
  readonly statements: Statements;
  readonly messages: Messages;
}

/** Deletes those of the tasks that have ended, with their messages, and returns their ids. */
export function removeEnded({ statements, messages }: Tables, taskIds: readonly string[], now: number): string[] {
  const ended = statements.readMany(taskIds, []).filter((row) => isTerminal(row.status) && !isExpired(row, now));
  statements.deleteTasks(ended);
  for (const { taskId } of ended) messages.delete(taskId);
  return ended.map(({ taskId }) => taskId);
}

/** Adds the tasks whose ids do not exist, and returns them. */
export function restoreTasks(
  { statements, messages: queues }: Tables,
  tasks: readonly RestoredTask[],
  now: number,
): StoredTask[] {
  return tasks.flatMap(({ messages, steps, ...task }) => {
    const existing = statements.read(task.taskId, null);
    if (existing && !isExpired(existing, now)) return [];
    if (existing) statements.deleteTasks([existing]);
    const restored = { ...task, position: statements.nextChange(), readAt: now };
    statements.restore(restored);
    for (const step of steps) statements.putStep(restored.position, step);
    for (const { message, expiresAt } of messages) queues.restore(task.taskId, message, expiresAt);
    return [restored];
  });
}

/** Replaces texts of a task that are still as they were read. Returns which were. */
export function rewriteTexts(
  { statements, messages }: Tables,
  taskId: string,
  texts: readonly Rewrite[],
  now: number,
): boolean[] {
  const fields = ([...PAYLOAD_FIELDS, "history"] as const).filter((field) =>
    texts.some((text) => text.field === field),
  );
  const found = statements.read(taskId, null, fields);
  const task = found && !isExpired(found, now) ? found : undefined;
  const rewritten = texts.map(({ field, from, to }) => {
    if (field === "message") return messages.rewrite(taskId, from, to);
    if (!task) return false;
    if (isStepText(field)) return statements.rewriteStep(task.position, stepOf(field), from, to);
    if (task[field] !== from) return false;
    statements.rewrite(task.position, field, to);
    return true;
  });
  // Texts of an old key, which nothing reads.
  if (task) statements.forgetReplaced.run(task.position);
  return rewritten;
}
