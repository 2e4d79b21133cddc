import { LeasedTask } from "../contract/leased-task.ts";
import type { ClaimedTask } from "../contract/record.ts";
import type { Result } from "../contract/task.ts";
import type { RunnerStore } from "../contract/task-store.ts";
import type { HandlerMap, HandlerWithOptions } from "./handlers.ts";
import { Run } from "./run.ts";
import { type RunOutcome, type RunTaskOptions, runTimes } from "./run-options.ts";
import type { TaskHandler } from "./task-handler.ts";

export const DEFAULT_MAX_ATTEMPTS = 3;

export interface ClaimedRunOptions extends RunTaskOptions {
  maxAttempts?: number | undefined;
  /** Calls the handler. */
  around?: (work: () => Result | Promise<Result>) => Promise<Result>;
}

/**
 * Runs a task that was claimed for one of the handlers. A task whose runner was lost `maxAttempts`
 * times fails instead.
 */
export function runClaimed(
  store: RunnerStore,
  { lease, record }: ClaimedTask,
  handlers: HandlerMap,
  { maxAttempts = DEFAULT_MAX_ATTEMPTS, around, ...options }: ClaimedRunOptions,
): Promise<RunOutcome> {
  const given = handlers.get(record.name) as TaskHandler | HandlerWithOptions;
  const own: HandlerWithOptions = typeof given === "function" ? { handler: given } : given;
  const run = new Run(new LeasedTask(store, lease), record, runTimes(options).heartbeatMs, {
    ...options,
    timeoutMs: own.timeoutMs ?? options.timeoutMs,
    inputTimeoutMs: own.inputTimeoutMs ?? options.inputTimeoutMs,
    onLost: own.onLost ?? options.onLost,
    retry: own.retry ?? options.retry,
    failureResult: own.failureResult ?? options.failureResult,
  });
  if (lease.attempt > maxAttempts) return run.giveUp(`The task was given up: its runner was lost ${maxAttempts} times`);
  return run.run(around ? (task) => around(() => own.handler(task)) : own.handler);
}
