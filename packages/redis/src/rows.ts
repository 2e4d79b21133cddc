import type { TaskStatus } from "@mcp-task-store/core";
import type { OwnerScope, PayloadField, RestoredTask, StoredTask } from "@mcp-task-store/core/backend";

/**
 * The fields of a task's hash that every read takes, in the order of commands/includes/task.lua,
 * which documents their contents.
 */
export const FIELDS = ["task", "state", "statusMessage", "owner"] as const;

/** The index of the owner in a row. */
export const OWNER = FIELDS.indexOf("owner");

/** The values of `FIELDS`, then other requested ones. An absent value is null. */
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

/** The task in a signal (commands/includes/signal.lua), as it was then, without its message. */
export function changedTask(signal: string): StoredTask | undefined {
  const parts = signal.split("\0");
  if (parts.length !== 4) return undefined;
  const [taskId, owner, state, task] = parts as [string, string, string, string];
  const stored = toStored(taskId, [task, state, null, owner === "0" ? null : owner.slice(1)], 0);
  return { ...stored, readAt: stored.updatedAt };
}

/** The task with its payloads, which follow `FIELDS` in the requested order. */
export function toStoredWith(fields: readonly PayloadField[], taskId: string, row: TaskRow, now: number): StoredTask {
  const task: { -readonly [Field in keyof StoredTask]: StoredTask[Field] } = toStored(taskId, row, now);
  for (const [index, field] of fields.entries()) task[field] = row[FIELDS.length + index] as string;
  return task;
}

/** The fields of a task's hash that are absent when null. */
const OPTIONAL = ["owner", "statusMessage", "request", "inputs", "checkpoint", "outcome", "history"] as const;

/** How the field of a step begins. */
export const STEP = "step:";

/** A task as arguments of `restore`. */
export function restoreArguments(task: RestoredTask): string[] {
  const { taskId, owner, name, messages, steps } = task;
  const fields = OPTIONAL.flatMap((field) => (task[field] === null ? [] : [field, task[field]]));
  fields.push(...steps.flatMap((step) => [STEP + step.name, step.body]));
  const queue = messages.flatMap(({ message, expiresAt }) => [`${expiresAt}`, message]);
  const before = [task.createdAt, task.ttl, task.pollInterval];
  const { status, updatedAt, expiresAt, revision, attempt, leaseToken, leaseExpiresAt } = task;
  const state = [status, updatedAt, expiresAt, revision, attempt, leaseToken, leaseExpiresAt];
  return [
    ...[taskId, owner === null ? "0" : "1", owner ?? "", name, before.join(" "), state.join(" ")],
    ...[`${fields.length}`, ...fields, `${queue.length}`, ...queue],
  ];
}

/** A scope as arguments of a command: its kind, and the owner. */
export function scopeArguments(scope: OwnerScope): [kind: string, owner: string] {
  if (scope === null) return ["any", ""];
  if (scope.owner === null) return ["unowned", ""];
  return [scope.orUnowned ? "ownerOrUnowned" : "owner", scope.owner];
}

/** Claimed tasks, each with its id last. */
export function toClaimed(rows: readonly TaskRow[], readAt: number): StoredTask[] {
  return rows.map((row) => {
    const taskId = row.at(-1) as string;
    // Only the end of a task gives it an outcome.
    return { ...toStoredWith(["request", "inputs", "checkpoint"], taskId, row, readAt), outcome: null };
  });
}
