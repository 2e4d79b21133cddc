import { setImmediate } from "node:timers/promises";
import {
  ANY_OWNER,
  type BulkOptions,
  type BulkOutcome,
  isTaskStoreError,
  isTerminal,
  type ListRecordsOptions,
  type OperatorRecordWith,
  type RecordPage,
  type TaskFilter,
  type TaskStore,
} from "@mcp-task-store/core";
import { Failure } from "./exit.ts";

const PAGE = 500;

/** Pages of tasks until there are `limit`, or no more. */
export async function* pagesOf(
  store: TaskStore,
  options: Pick<ListRecordsOptions, "where" | "order" | "cursor">,
  limit: number,
  signal: AbortSignal,
): AsyncGenerator<RecordPage> {
  let { cursor } = options;
  let left = limit;
  do {
    signal.throwIfAborted();
    const page = await store.operations.listRecords({ ...options, cursor, limit: Math.min(left, PAGE) });
    left -= page.records.length;
    cursor = page.nextCursor;
    yield page;
    // SQLite answers without a turn of the event loop, in which signals and closed pipes arrive.
    await setImmediate();
  } while (cursor !== undefined && left > 0);
}

/** Tasks that are written at once. */
const AT_ONCE = 20;

/**
 * Does something to every active or every ended task of a filter, for what the store does to one
 * task only. It goes from the newest to older ones, so that it never meets a task that it made.
 */
export async function eachTask(
  store: TaskStore,
  where: TaskFilter,
  { of, dryRun, signal, onProgress }: BulkOptions & { of: "active" | "ended"; signal: AbortSignal },
  act: (taskId: string) => Promise<unknown>,
): Promise<BulkOutcome> {
  const outcome: BulkOutcome = { done: 0, skipped: {}, scanned: 0 };
  const skip = (why: "ended" | "active" | "changed") => {
    outcome.skipped[why] = (outcome.skipped[why] ?? 0) + 1;
  };
  const one = async ({ task }: OperatorRecordWith<never>) => {
    const is = isTerminal(task.status) ? "ended" : "active";
    if (is !== of) return skip(is);
    try {
      if (!dryRun) await act(task.taskId);
      outcome.done += 1;
    } catch (error) {
      // It ended, began or expired after it was read.
      const changed = ["TASK_NOT_FOUND", "TASK_TERMINAL", "INVALID_ARGUMENT"] as const;
      if (!changed.some((code) => isTaskStoreError(error, code))) throw error;
      skip("changed");
    }
  };
  for await (const { records, scanned } of pagesOf(store, { where }, Number.POSITIVE_INFINITY, signal)) {
    for (let at = 0; at < records.length; at += AT_ONCE) {
      signal.throwIfAborted();
      await Promise.all(records.slice(at, at + AT_ONCE).map(one));
      onProgress?.(outcome);
    }
    outcome.scanned += scanned;
  }
  return outcome;
}

/** Shorter beginnings of ids are too easily mistaken. */
const SHORTEST = 4;

/**
 * The id of the one task that has this id, or whose id begins with it.
 * @throws Failure if there is none, or more than one
 */
export async function taskIdOf(store: TaskStore, given: string): Promise<string> {
  if (await store.getRecord(given, { owner: ANY_OWNER, fields: [] })) return given;
  const none = new Failure(`there is no task ${given}: it may have expired`);
  if (given.length < SHORTEST) throw none;
  const { records, nextCursor } = await store.operations.listRecords({ where: { idPrefix: given }, limit: 2 });
  if (records.length > 1) throw new Failure(`more than one task's id begins with ${given}: give more of it`);
  const [found] = records;
  if (!found && nextCursor === undefined) throw none;
  if (!found || nextCursor !== undefined)
    throw new Failure(`too many tasks to search them for ids that begin with ${given}: give the whole id`);
  return found.task.taskId;
}
