import { isTerminal } from "../contract/task.ts";
import type { Bounds, SearchFilter, SearchPage, SearchQuery } from "./search-query.ts";
import type { PayloadField, StoredTask } from "./stored-task.ts";
import type { TaskBackend } from "./task-backend.ts";

/** Why a task seems to need help: see `StuckReason`. */
export function stuckReason(
  task: StoredTask,
  { overdueMs, waitingMs }: { overdueMs: number; waitingMs: number },
): "overdue" | "lost" | "waiting" | undefined {
  const { status, leaseExpiresAt, leaseToken, updatedAt, readAt } = task;
  if (isTerminal(status)) return undefined;
  // A question may wait without a runner, so its age says more than the lease.
  if (status === "input_required") return updatedAt <= readAt - waitingMs ? "waiting" : undefined;
  if (leaseExpiresAt === null || leaseExpiresAt > readAt - overdueMs) return undefined;
  return leaseToken % 2 === 0 ? "overdue" : "lost";
}

function isWithin(value: number, { from, before }: Bounds): boolean {
  return (from === null || value >= from) && (before === null || value < before);
}

/** Of a payload that is kept as an object, only core can tell. */
function mayContain(payload: string | null | undefined, text: string): boolean {
  return payload != null && (typeof payload !== "string" || payload.includes(text));
}

/** Whether the filter takes the task, which was read with the payloads that the filter names. */
export function matchesFilter(task: StoredTask, filter: SearchFilter): boolean {
  const { statuses, names, owners, idPrefix, created, updated, attempts, stuck, texts } = filter;
  return (
    (statuses === undefined || statuses.includes(task.status)) &&
    (names === undefined || names.includes(task.name)) &&
    (owners === undefined || owners.includes(task.owner)) &&
    (idPrefix === undefined || task.taskId.startsWith(idPrefix)) &&
    (created === undefined || isWithin(task.createdAt, created)) &&
    (updated === undefined || isWithin(task.updatedAt, updated)) &&
    (attempts === undefined || isWithin(task.attempt, attempts)) &&
    (stuck === undefined || stuckReason(task, stuck) !== undefined) &&
    (texts === undefined || texts.every(({ field, text }) => mayContain(task[field], text)))
  );
}

/** Tasks read by one call of `list` or, with payloads, of `readMany`. */
const STEP = 500;
const PAYLOAD_STEP = 100;

/**
 * A search by `list` and `readMany`, for backends without a `search` of their own. It looks at
 * every task on its way.
 */
export async function searchByList(backend: TaskBackend, query: SearchQuery): Promise<SearchPage> {
  const walk = query.order === "oldest" ? walkUp(backend, query.after) : walkDown(backend, query.after);
  const { texts, ...cheap } = query.filter;
  const payloads = [...new Set([...query.payloads, ...(texts ?? []).map(({ field }) => field)])];
  const tasks: StoredTask[] = [];
  let scanned = 0;
  for await (const step of walk) {
    const left = step.slice(0, query.scan - scanned);
    for (let index = 0; index < left.length; index += PAYLOAD_STEP) {
      const part = left.slice(index, index + PAYLOAD_STEP);
      const found = await withPayloadsOf(
        backend,
        part.filter((task) => matchesFilter(task, cheap)),
        payloads,
      );
      for (const task of found) {
        if (!matchesFilter(task, query.filter)) continue;
        if (tasks.push(task) < query.limit) continue;
        return {
          tasks,
          scanned: scanned + left.findIndex((each) => each.taskId === task.taskId) + 1,
          next: task.position,
        };
      }
    }
    scanned += left.length;
    if (scanned >= query.scan) return { tasks, scanned, next: (left.at(-1) as StoredTask).position };
  }
  return { tasks, scanned, next: null };
}

/** The tasks in their order, read again with these payloads. Those that are gone are left out. */
export async function withPayloadsOf(
  backend: TaskBackend,
  tasks: readonly StoredTask[],
  payloads: readonly PayloadField[],
): Promise<readonly StoredTask[]> {
  if (payloads.length === 0 || tasks.length === 0) return tasks;
  const read = await backend.readMany(
    tasks.map(({ taskId }) => taskId),
    payloads,
  );
  const byId = new Map(read.map((task) => [task.taskId, task]));
  return tasks.flatMap(({ taskId, position }) => {
    const task = byId.get(taskId);
    // A task of another position has taken the id since.
    return task?.position === position ? task : [];
  });
}

async function* walkUp(backend: TaskBackend, after: number | null): AsyncGenerator<readonly StoredTask[]> {
  for (let last = after; ; ) {
    const tasks = await backend.list({ scope: null, after: last, limit: STEP });
    if (tasks.length > 0) yield tasks;
    if (tasks.length < STEP) return;
    last = (tasks.at(-1) as StoredTask).position;
  }
}

/** `list` goes up only, so this reads windows of positions from the end to the beginning. */
async function* walkDown(backend: TaskBackend, after: number | null): AsyncGenerator<readonly StoredTask[]> {
  let high = after ?? (await lastPosition(backend)) + 1;
  let width = STEP;
  while (high > 1) {
    const low = Math.max(1, high - width);
    // One more than fit, to know whether the window was too wide.
    const found = await backend.list({ scope: null, after: low - 1, limit: STEP + 1 });
    const inside = found.filter(({ position }) => position < high);
    if (inside.length > STEP) {
      width = Math.max(1, Math.floor(width / 4));
      continue;
    }
    if (inside.length > 0) yield inside.toReversed();
    high = low;
    // Positions may have gaps.
    if (inside.length < STEP / 4) width *= 4;
  }
}

/** The position of the newest task, or 0, by a binary search. */
export async function lastPosition(backend: TaskBackend): Promise<number> {
  const next = async (after: number) => (await backend.list({ scope: null, after, limit: 1 }))[0]?.position;
  // There is a task at `low`, and none beyond `high`.
  let low = (await next(0)) ?? 0;
  let high = low;
  for (let step = 1, found = await next(high); found !== undefined; step *= 2, found = await next(high)) {
    low = found;
    high = found + step;
  }
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const found = await next(middle);
    if (found === undefined) high = middle;
    else low = found;
  }
  return low;
}
