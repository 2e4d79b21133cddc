import { TOKEN_BLOCK } from "../contract/lease-token.ts";
import { isTerminal } from "../contract/task.ts";
import type { PayloadField, StoredTask } from "./stored-task.ts";
import type { ChangedTask, Guard, NewTask, OwnerScope, Patch } from "./task-backend.ts";

/** Whether the task is gone, deleted or not. */
export function isExpired(task: Pick<StoredTask, "expiresAt">, now: number): boolean {
  return task.expiresAt !== null && task.expiresAt <= now;
}

/** Whether the task counts towards the caps. */
export function isActive(task: Pick<StoredTask, "status" | "expiresAt">, now: number): boolean {
  return !isTerminal(task.status) && !isExpired(task, now);
}

/** Whether a call with this scope may see a task of this owner. */
export function isInScope(scope: OwnerScope, owner: string | null): boolean {
  return scope === null || scope.owner === owner || (scope.orUnowned && owner === null);
}

/** Whether any runner may take the lease: it was never taken, or has lapsed. */
function isLeaseFree(task: StoredTask, now: number): boolean {
  return task.leaseToken === 0 || (task.leaseExpiresAt !== null && task.leaseExpiresAt <= now);
}

/** Whether `claim` may take the task for a runner of these names. */
export function isClaimable(task: StoredTask, names: readonly string[], now: number): boolean {
  return isActive(task, now) && names.includes(task.name) && task.leaseExpiresAt !== null && task.leaseExpiresAt <= now;
}

/** The part of a task that a signal carries. The task was just written or read. */
export function aboutChange(
  task: Pick<StoredTask, "owner" | "name" | "status" | "leaseExpiresAt" | "readAt">,
): ChangedTask {
  const { owner, name, status, leaseExpiresAt, readAt } = task;
  // A task that can be claimed is active.
  const claimable = leaseExpiresAt !== null && leaseExpiresAt <= readAt;
  return { owner, name, status, claimable };
}

/** Whether a write with this guard may change the task. */
export function guardHolds(task: StoredTask, guard: Guard, now: number): boolean {
  return (
    (guard.ended ? isTerminal(task.status) && !isExpired(task, now) : isActive(task, now)) &&
    isInScope(guard.scope, task.owner) &&
    (guard.revision === undefined || guard.revision === task.revision) &&
    (guard.leaseToken === undefined || guard.leaseToken === task.leaseToken) &&
    (guard.leaseFree === undefined || isLeaseFree(task, now))
  );
}

/** A task as it is right after its creation. */
export function initialTask(task: NewTask, position: number, now: number): StoredTask {
  return {
    taskId: task.taskId,
    owner: task.owner,
    name: task.name,
    status: "working",
    statusMessage: null,
    createdAt: now,
    updatedAt: now,
    ttl: task.ttl,
    expiresAt: task.ttl === null ? null : now + task.ttl,
    pollInterval: task.pollInterval,
    revision: 1,
    attempt: 0,
    leaseToken: 0,
    leaseExpiresAt: now + task.claimAfterMs,
    position,
    readAt: now,
    request: task.request,
    inputs: null,
    checkpoint: null,
    outcome: null,
    history: null,
  };
}

/** Most characters of a task's history. */
export const HISTORY_LENGTH = 4096;

/**
 * The history with one more line: the time, a space and the entry. Old lines give way, in part as
 * well: core leaves out what is no whole line.
 */
export function appendHistory(history: string | null | undefined, now: number, entry: string): string {
  return `${history ?? ""}${now} ${entry}\n`.slice(-HISTORY_LENGTH);
}

/** Whether a requestor can see the change. It cannot see the lease and the checkpoint. */
export function isVisibleChange(patch: Patch): boolean {
  return (
    patch.status !== undefined ||
    patch.statusMessage !== undefined ||
    patch.inputs !== undefined ||
    patch.outcome !== undefined
  );
}

/**
 * A lease that was given back is no attempt. Attempts count the present runner and the lost ones.
 */
const ATTEMPTS = { take: 1, renew: 0, release: -1 } as const;

/**
 * The next token. It is odd from a take until the lease is given back, also after the lease has
 * lapsed, and even otherwise.
 *
 * A take's place in its block comes from the time. A failover of a database may lose a take, and a
 * new task may have the id of a deleted one. If tokens were counted, the next runner would get the
 * token that a runner of before still has, and both would write.
 */
const TOKENS = {
  take: (token: number, now: number) =>
    (Math.ceil(token / TOKEN_BLOCK) + 1) * TOKEN_BLOCK + 1 + 2 * (Math.floor(now) % (TOKEN_BLOCK / 2)),
  renew: (token: number) => token,
  release: (token: number) => token + 2 - (token % 2),
};

/**
 * How long a task that was given back for a time is kept beyond that time, in milliseconds, so that
 * a runner can take it then.
 */
export const KEPT_AFTER_DELAY_MS = 300_000;

/**
 * The task after a patch. A terminal task expires `ttl` after it became terminal. Before that, it
 * expires `ttl` after its creation or when its lease lapses, whichever is later, so that no task
 * expires under a live runner. A task that is given back for a time outlives that time.
 */
export function applyPatch(task: StoredTask, patch: Patch, now: number): StoredTask {
  const { lease } = patch;
  const visible = isVisibleChange(patch);
  const status = patch.status ?? task.status;
  const terminal = isTerminal(status);
  const leaseExpiresAt = terminal ? null : lease ? now + lease.leaseMs : task.leaseExpiresAt;
  let { expiresAt } = task;
  if (task.ttl !== null && terminal && patch.status !== undefined) expiresAt = now + task.ttl;
  else if (task.ttl !== null && lease) {
    const kept = lease.action === "release" && lease.leaseMs > 0 ? KEPT_AFTER_DELAY_MS : 0;
    expiresAt = Math.max(task.createdAt + task.ttl, now + lease.leaseMs + kept);
  }
  // Field by field, as in `withPayloads`.
  return {
    taskId: task.taskId,
    owner: task.owner,
    name: task.name,
    status,
    statusMessage: patch.statusMessage ?? task.statusMessage,
    createdAt: task.createdAt,
    updatedAt: visible ? now : task.updatedAt,
    ttl: task.ttl,
    expiresAt,
    pollInterval: task.pollInterval,
    revision: visible ? task.revision + 1 : task.revision,
    attempt: task.attempt + (lease ? ATTEMPTS[lease.action] : 0),
    leaseToken: lease ? TOKENS[lease.action](task.leaseToken, now) : task.leaseToken,
    leaseExpiresAt,
    position: task.position,
    readAt: now,
    request: task.request,
    inputs: patch.inputs === undefined ? task.inputs : patch.inputs,
    checkpoint: patch.checkpoint === undefined ? task.checkpoint : patch.checkpoint,
    outcome: patch.outcome === undefined ? task.outcome : patch.outcome,
    history: patch.history === undefined ? task.history : appendHistory(task.history, now, patch.history),
  } as StoredTask;
}

/**
 * The task with these payloads and no other. It copies field by field, because leaving fields out
 * by destructuring is slow (in memory, a sixth of a whole lifecycle).
 */
export function withPayloads(
  task: StoredTask,
  payloads: readonly PayloadField[] = [],
  readAt: number = task.readAt,
): StoredTask {
  const bare: StoredTask = {
    taskId: task.taskId,
    owner: task.owner,
    name: task.name,
    status: task.status,
    statusMessage: task.statusMessage,
    createdAt: task.createdAt,
    updatedAt: task.updatedAt,
    ttl: task.ttl,
    expiresAt: task.expiresAt,
    pollInterval: task.pollInterval,
    revision: task.revision,
    attempt: task.attempt,
    leaseToken: task.leaseToken,
    leaseExpiresAt: task.leaseExpiresAt,
    position: task.position,
    readAt,
  };
  if (payloads.length === 0) return bare;
  const read = payloads.filter((field) => task[field] !== undefined);
  return read.length === 0 ? bare : Object.assign(bare, Object.fromEntries(read.map((field) => [field, task[field]])));
}
