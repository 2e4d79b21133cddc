import { inSteps } from "../../backend/in-steps.ts";
import { matchesFilter, searchByList, withPayloadsOf } from "../../backend/search.ts";
import type { SearchPage } from "../../backend/search-query.ts";
import type { PayloadField, StoredTask } from "../../backend/stored-task.ts";
import type { BulkOptions, BulkOutcome } from "../../contract/operations.ts";
import { setImmediate } from "../../process/real-time.ts";
import type { BackendGateway } from "../backend-gateway.ts";
import type { Condition } from "./filter.ts";

/** Tasks that the first step of a walk looks at. Each looks at four times as many as the last. */
const FIRST_STEP = 100;
const SCAN_STEP = 10_000;
/** Tasks that are written at once. */
const WRITE_STEP = 100;

interface Page {
  readonly order: "newest" | "oldest";
  readonly after: number | null;
  readonly limit: number;
  readonly scan: number;
  /** Payloads to read, beside those that the condition needs. */
  readonly payloads: readonly PayloadField[];
}

/** The next tasks that the condition takes, of at most `scan` tasks. */
export async function search(gateway: BackendGateway, condition: Condition, page: Page): Promise<SearchPage> {
  const payloads = [...new Set([...page.payloads, ...condition.payloads])];
  if (condition.ids) return ofIds(gateway, condition, condition.ids, page, payloads);
  const tasks: StoredTask[] = [];
  let { after } = page;
  let step = Math.max(FIRST_STEP, page.limit);
  for (let scanned = 0; ; step = Math.min(4 * step, SCAN_STEP)) {
    const query = {
      ...page,
      filter: condition.filter,
      after,
      limit: page.limit - tasks.length,
      scan: Math.min(page.scan - scanned, step),
      payloads,
    };
    const found = await gateway.call((backend) => backend.search?.(query) ?? searchByList(backend, query));
    // A backend may have ignored conditions.
    const right = found.tasks.filter((task) => matchesFilter(task, condition.filter) && condition.holds(task));
    tasks.push(...right);
    scanned += found.scanned;
    after = found.next;
    if (after === null || tasks.length >= page.limit || scanned >= page.scan) return { tasks, scanned, next: after };
    await turn();
  }
}

/** Tasks that are read at once. */
const READ_STEP = 100;

/** A page of the tasks of these ids that the condition takes. The first page looks at all ids. */
async function ofIds(
  gateway: BackendGateway,
  condition: Condition,
  ids: readonly string[],
  { order, after, limit }: Page,
  payloads: readonly PayloadField[],
): Promise<SearchPage> {
  const { texts: _, ...cheap } = condition.filter;
  const sign = order === "oldest" ? 1 : -1;
  const places = (await readAll(gateway, ids))
    .filter((task) => matchesFilter(task, cheap) && (after === null || sign * task.position > sign * after))
    .toSorted((one, other) => sign * (one.position - other.position));
  const scanned = after === null ? ids.length : 0;
  const tasks: StoredTask[] = [];
  for (let index = 0; index < places.length; index += READ_STEP) {
    const step = places.slice(index, index + READ_STEP);
    for (const task of await gateway.call((backend) => withPayloadsOf(backend, step, payloads))) {
      if (!matchesFilter(task, condition.filter) || !condition.holds(task)) continue;
      if (tasks.push(task) === limit) return { tasks, scanned, next: task.position };
    }
  }
  return { tasks, scanned, next: null };
}

async function readAll(gateway: BackendGateway, ids: readonly string[]) {
  const tasks: StoredTask[] = [];
  for (let index = 0; index < ids.length; index += READ_STEP) {
    const step = ids.slice(index, index + READ_STEP);
    tasks.push(...(await gateway.call((backend) => backend.readMany(step, []))));
  }
  return tasks;
}

/**
 * Lets everything else in the process get on: a backend in this process answers without a turn of
 * the event loop.
 */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Does something to every task that the condition takes, oldest first, in bounded steps.
 * @param act Writes, unless it is a dry run, and says of each task whether it was done or why not.
 */
export function bulk(
  gateway: BackendGateway,
  condition: Condition,
  options: BulkOptions,
  act: Act,
): Promise<BulkOutcome> {
  return inSteps((wrote) => bulkInSteps(gateway, condition, options, act, wrote));
}

/** @param wrote Called for each task that was written, before the act ends or fails. */
type Act = (
  tasks: readonly StoredTask[],
  wrote: () => void,
) => Promise<readonly ("done" | keyof BulkOutcome["skipped"])[]>;

async function bulkInSteps(
  gateway: BackendGateway,
  condition: Condition,
  { signal, onProgress }: BulkOptions,
  act: Act,
  wrote: () => void,
): Promise<BulkOutcome> {
  const outcome: BulkOutcome = { done: 0, skipped: {}, scanned: 0 };
  let after: number | null = null;
  do {
    signal?.throwIfAborted();
    const page = { order: "oldest", after, limit: WRITE_STEP, scan: SCAN_STEP, payloads: [] } as const;
    const found: SearchPage = await search(gateway, condition, page);
    for (const each of await act(found.tasks, wrote)) {
      if (each === "done") outcome.done += 1;
      else outcome.skipped[each] = (outcome.skipped[each] ?? 0) + 1;
    }
    outcome.scanned += found.scanned;
    after = found.next;
    onProgress?.({ ...outcome, skipped: { ...outcome.skipped } });
    if (after !== null) await turn();
  } while (after !== null);
  return outcome;
}
