import { setImmediate } from "node:timers/promises";
import { ANY_OWNER, type ListRecordsOptions, type RecordPage, type TaskStore } from "@mcp-task-store/core";
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
