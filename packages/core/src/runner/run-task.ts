import { checkStore } from "../contract/call-options.ts";
import { invalid, isTaskStoreError, notFound } from "../contract/errors.ts";
import { LeasedTask } from "../contract/leased-task.ts";
import { checkOptions } from "../contract/option-checks.ts";
import { ANY_OWNER } from "../contract/owner.ts";
import type { TaskRecord } from "../contract/record.ts";
import type { RunnerStore } from "../contract/task-store.ts";
import { Run } from "./run.ts";
import { RUN_OPTIONS, type RunOutcome, type RunTaskOptions, runTimes } from "./run-options.ts";
import type { TaskHandler } from "./task-handler.ts";

/**
 * Runs a task in this process: takes its lease, renews it while `handler` runs, and stores the
 * result or the error, once.
 *
 * - A result is stored as `completed`, or as `failed` if it has `isError: true` (MCP 2025-11-25,
 *   Tasks, "Tool Execution Errors").
 * - An error that the handler throws is stored as `failed` with a JSON-RPC error. Its code is the
 *   thrown one if that is a code of JSON-RPC (see `rpcCodeOf`), otherwise -32603. Its message, at
 *   most 8,192 characters long, is the status message, too.
 * - Once the task ends, expires or is taken over, the store keeps nothing that the handler does.
 * - `runTask` does not call the handler if it cannot start the task: the task is gone, has ended,
 *   another runner holds it, or the backend cannot be reached. The outcome's `reason` is then the
 *   `TaskStoreError`.
 *
 * The promise resolves after the handler has settled, and never rejects, so `void runTask(...)` is
 * safe. Invalid arguments throw at once, before there is a promise.
 * @throws TaskStoreError `INVALID_ARGUMENT`, at once, for a handler that is not a function and for
 * an unknown or invalid option
 * @example
 * ```ts
 * const { taskId } = await store.createTask({ ttl: 3_600_000 }, requestId, request);
 * void runTask(store, taskId, async ({ signal, progress }) => {
 *   await progress("Measuring");
 *   return { content: [{ type: "text", text: await measure(signal) }] };
 * });
 * ```
 */
export function runTask<Checkpoint = unknown, Context = Record<string, unknown> | undefined>(
  store: RunnerStore,
  taskId: string,
  handler: TaskHandler<Checkpoint, Context>,
  options: RunTaskOptions = {},
): Promise<RunOutcome> {
  checkStore("runTask", store);
  if (typeof handler !== "function") throw invalid("runTask needs a handler: a function that does the work", taskId);
  checkOptions("runTask", options, RUN_OPTIONS);
  const { lease: given } = options;
  const times = runTimes(options);
  if (given && given.taskId !== taskId) throw invalid("The lease belongs to another task", taskId);
  if (given && options.leaseMs !== undefined && options.leaseMs !== times.leaseMs)
    throw invalid("leaseMs has no effect beside lease, which has its own duration: leave it out", taskId);
  return start(store, taskId, handler as TaskHandler, options, times);
}

async function start(
  store: RunnerStore,
  taskId: string,
  handler: TaskHandler,
  options: RunTaskOptions,
  { leaseMs, heartbeatMs }: ReturnType<typeof runTimes>,
): Promise<RunOutcome> {
  let leased = options.lease && new LeasedTask(store, options.lease);
  let record: TaskRecord | null;
  try {
    leased ??= new LeasedTask(store, await store.acquireLease(taskId, { owner: ANY_OWNER, leaseMs }));
    record = await leased.read();
    if (!record) throw notFound(taskId);
  } catch (reason) {
    // Otherwise no runner takes the task until the lease lapses, and that counts as a lost runner.
    await leased?.release().catch(() => undefined);
    return { stored: false, status: isTaskStoreError(reason) ? reason.status : undefined, reason };
  }
  return new Run(leased, record, heartbeatMs, options).run(handler);
}
