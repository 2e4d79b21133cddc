import type { OwnerScope, PayloadField, StoredTask, TaskStatus } from "@mcp-task-store/core";

/** A task's fields, in the order of commands/includes/task.lua. */
export const FIELDS = [
  "owner",
  "name",
  "status",
  "statusMessage",
  "createdAt",
  "updatedAt",
  "ttl",
  "expiresAt",
  "pollInterval",
  "revision",
  "attempt",
  "leaseToken",
  "leaseExpiresAt",
  "position",
] as const;

/** The values of `FIELDS`; what is absent is null or empty. */
export type TaskRow = readonly (string | null)[];

export function toStored(taskId: string, row: TaskRow, now: number): StoredTask {
  const text = (index: number) => row[index] ?? null;
  const number = (index: number) => (row[index] ? Number(row[index]) : null);
  return {
    taskId,
    owner: text(0),
    name: text(1) as string,
    status: text(2) as TaskStatus,
    statusMessage: text(3),
    createdAt: Number(row[4]),
    updatedAt: Number(row[5]),
    ttl: number(6),
    expiresAt: number(7),
    pollInterval: number(8),
    revision: Number(row[9]),
    attempt: Number(row[10]),
    leaseToken: Number(row[11]),
    leaseExpiresAt: number(12),
    position: Number(row[13]),
    readAt: now,
  };
}

/** The task with payloads, which are in the order that they were asked for in. */
export function withPayloadRow(task: StoredTask, fields: readonly PayloadField[], values: TaskRow): StoredTask {
  return { ...task, ...Object.fromEntries(fields.map((field, index) => [field, values[index] ?? null])) };
}

/** A scope as commands take it: its kind, and the owner. */
export function scopeArguments(scope: OwnerScope): [kind: string, owner: string] {
  if (scope === null) return ["any", ""];
  if (scope.owner === null) return ["unowned", ""];
  return [scope.orUnowned ? "ownerOrUnowned" : "owner", scope.owner];
}
