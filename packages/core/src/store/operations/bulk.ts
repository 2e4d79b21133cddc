import { matchesFilter, searchByList } from "../../backend/search.ts";
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

/** The tasks of these ids that the condition takes, all on one page. */
async function ofIds(
  gateway: BackendGateway,
  condition: Condition,
  ids: readonly string[],
  { order, after }: Page,
  payloads: readonly PayloadField[],
): Promise<SearchPage> {
  const texts = (condition.filter.texts ?? []).map(({ field }) => field);
  const tasks: StoredTask[] = [];
  for (let index = 0; index < ids.length; index += READ_STEP) {
    const step = ids.slice(index, index + READ_STEP);
    tasks.push(...(await gateway.call((backend) => backend.readMany(step, [...new Set([...payloads, ...texts])]))));
  }
  const sign = order === "oldest" ? 1 : -1;
  const found = tasks
    .filter((task) => matchesFilter(task, condition.filter) && condition.holds(task))
    .filter(({ position }) => after === null || sign * position > sign * after)
    .toSorted((one, other) => sign * (one.position - other.position));
  return { tasks: found, scanned: ids.length, next: null };
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
export async function bulk(
  gateway: BackendGateway,
  condition: Condition,
  { signal, onProgress }: BulkOptions,
  act: (tasks: readonly StoredTask[]) => Promise<readonly ("done" | keyof BulkOutcome["skipped"])[]>,
): Promise<BulkOutcome> {
  const outcome: BulkOutcome = { done: 0, skipped: {}, scanned: 0 };
  let after: number | null = null;
  do {
    signal?.throwIfAborted();
    const page = { order: "oldest", after, limit: WRITE_STEP, scan: SCAN_STEP, payloads: [] } as const;
    const found: SearchPage = await search(gateway, condition, page);
    for (const each of await act(found.tasks)) {
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
