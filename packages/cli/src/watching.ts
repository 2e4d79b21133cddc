import { ANY_OWNER, type TaskRecordWith, type TaskStore } from "@mcp-task-store/core";
import type { Output } from "./output/output.ts";
import { painted } from "./output/status.ts";
import { clean, padded } from "./output/text.ts";

export type Watched = TaskRecordWith<never>;

/** A state of a task as JSON. A field without a value is null. */
export function watchedJson({ task, revision, name, owner, attempt }: Watched) {
  return {
    taskId: task.taskId,
    name,
    owner: owner ?? null,
    status: task.status,
    statusMessage: task.statusMessage ?? null,
    createdAt: task.createdAt,
    changedAt: task.lastUpdatedAt,
    revision,
    attempt,
  };
}

export function printWatched(output: Output, record: Watched, withId: boolean): void {
  const { task, name } = record;
  const status = painted(output, task.status, padded(task.status, "input_required".length));
  const about = withId ? `${clean(task.taskId)}  ${clean(name)}  ` : "";
  output.line(`${task.lastUpdatedAt}  ${status}  ${about}${clean(task.statusMessage ?? "")}`.trimEnd());
}

/** Follows all tasks until the signal aborts. */
export async function followAll(
  store: TaskStore,
  filter: { names?: string[] | undefined; statuses?: Watched["task"]["status"][] | undefined },
  signal: AbortSignal,
  output: Output,
): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  // One read after another, so that lines come in the order of the changes.
  let last: Promise<void> = Promise.resolve();
  const read = async (taskId: string) => {
    const record = await store.getRecord(taskId, { owner: ANY_OWNER, fields: [] });
    if (!record) return;
    if (output.json) output.record({ task: watchedJson(record) });
    else printWatched(output, record, true);
  };
  const stop = await store.subscribe(
    ({ task }) => {
      last = last.then(() => read(task.taskId));
      last.catch(reject);
    },
    { ...filter, owner: ANY_OWNER },
  );
  output.note("following all tasks, until it is interrupted");
  // A subscription does not keep the process alive.
  const alive = setInterval(() => undefined, 2 ** 30);
  const end = () => reject(signal.reason);
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  try {
    return await promise;
  } finally {
    clearInterval(alive);
    stop();
  }
}
