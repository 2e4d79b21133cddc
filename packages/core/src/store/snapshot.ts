import type { StoredTask } from "../backend/stored-task.ts";
import { decodeString } from "../contract/json.ts";
import type { TaskSnapshot } from "../contract/record.ts";
import type { Task } from "../contract/task.ts";

let lastTime = 0;
let lastDate = new Date(0).toISOString();

/**
 * Keeps the last date. Tasks that are read together often changed in the same millisecond, and
 * formatting a date is most of the work on a task.
 */
function isoDate(time: number): string {
  if (time !== lastTime) {
    lastTime = time;
    lastDate = new Date(time).toISOString();
  }
  return lastDate;
}

/** The wire form of a task. It has these fields and no other, because SDK 1.x sends every field. */
export function toTask(stored: StoredTask): Task {
  const task: Task = {
    taskId: stored.taskId,
    status: stored.status,
    ttl: stored.ttl,
    createdAt: isoDate(stored.createdAt),
    lastUpdatedAt: isoDate(stored.updatedAt),
  };
  if (stored.pollInterval !== null) task.pollInterval = stored.pollInterval;
  if (stored.statusMessage !== null) task.statusMessage = decodeString(stored.statusMessage);
  return task;
}

export function toSnapshot(stored: StoredTask): TaskSnapshot {
  return { task: toTask(stored), revision: stored.revision };
}
