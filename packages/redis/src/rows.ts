import type { OwnerScope, PayloadField, StoredTask, TaskStatus } from "@mcp-task-store/core";

/** The fields of a task's hash that every read takes, in the order of commands/includes/task.lua, which says what is in them. */
export const FIELDS = ["task", "state", "statusMessage", "owner"] as const;

/** The values of `FIELDS`, and whatever follows them; what is absent is null. */
export type TaskRow = readonly (string | null)[];

/** The task of a row that has one. */
export function toStored(taskId: string, row: TaskRow, now: number): StoredTask {
  const [task, state, statusMessage, owner] = row as [string, string, string | null, string | null];
  const [createdAt, ttl, pollInterval, position] = task.split(" ", 4) as [string, string, string, string];
  const [status, updatedAt, expiresAt, revision, attempt, leaseToken, leaseExpiresAt] = state.split(" ");
  return {
    taskId,
    owner,
    name: task.slice(createdAt.length + ttl.length + pollInterval.length + position.length + 4),
    status: status as TaskStatus,
    statusMessage,
    createdAt: Number(createdAt),
    updatedAt: Number(updatedAt),
    ttl: optionalNumber(ttl),
    expiresAt: optionalNumber(expiresAt),
    pollInterval: optionalNumber(pollInterval),
    revision: Number(revision),
    attempt: Number(attempt),
    leaseToken: Number(leaseToken),
    leaseExpiresAt: optionalNumber(leaseExpiresAt),
    position: Number(position),
    readAt: now,
  };
}

function optionalNumber(text: string | undefined): number | null {
  return text ? Number(text) : null;
}

/** The task with payloads, which follow it in its row in the order that they were asked for in. */
export function toStoredWith(fields: readonly PayloadField[], taskId: string, row: TaskRow, now: number): StoredTask {
  const task: { -readonly [Field in keyof StoredTask]: StoredTask[Field] } = toStored(taskId, row, now);
  for (const [index, field] of fields.entries()) task[field] = row[FIELDS.length + index] as string;
  return task;
}

/** A scope as commands take it: its kind, and the owner. */
export function scopeArguments(scope: OwnerScope): [kind: string, owner: string] {
  if (scope === null) return ["any", ""];
  if (scope.owner === null) return ["unowned", ""];
  return [scope.orUnowned ? "ownerOrUnowned" : "owner", scope.owner];
}
