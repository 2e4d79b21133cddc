import { leaseCheck } from "../contract/call-options.ts";
import { DEFAULT_LEASE_MS, MAX_TIMER_MS } from "../contract/checks.ts";
import { checked, checks, type OptionTable } from "../contract/option-checks.ts";
import type { InputRequest, Lease } from "../contract/record.ts";
import type { Result, TaskStatus } from "../contract/task.ts";
import { RETRY_OPTIONS, type RetryOptions } from "./retry.ts";
import type { DeliverContext } from "./task-handler.ts";

/** Options that each handler of a worker can have. */
export interface HandlerOptions {
  /**
   * The task fails when its handler takes longer than this many milliseconds, whether or not the
   * handler heeds its signal.
   * @default no deadline
   */
  timeoutMs?: number | undefined;
  /**
   * Milliseconds that `elicit` and `sample` wait for an answer.
   * @default as long as the task lives
   */
  inputTimeoutMs?: number | undefined;
  /**
   * What becomes of a task whose runner was lost. `rerun`: the handler runs again, so it may run
   * more than once. `fail`: the task fails with a JSON-RPC error. It also fails if its runner is
   * stopped and the handler throws.
   * @default "rerun"
   */
  onLost?: "rerun" | "fail" | undefined;
  /**
   * Repeats a task whose handler throws, or takes longer than `timeoutMs`. The run gives the task
   * back, and a worker takes it again after the delay; until then its status is `working`.
   * Operators see the errors of all attempts, and the last one is the outcome. Runners that were
   * lost do not count here. Needs a worker for the further attempts, in any process.
   * @default the first failure is the outcome
   */
  retry?: RetryOptions | undefined;
  /**
   * Makes the task's result of the error of its last attempt. `undefined`: the task fails with a
   * JSON-RPC error.
   * @default every error becomes a JSON-RPC error
   */
  failureResult?: ((error: unknown) => Result | undefined) | undefined;
}

export interface RunTaskOptions extends HandlerOptions {
  /**
   * A lease that the caller holds already, from `claimTask` or `acquireLease`.
   * @default `runTask` takes one
   */
  lease?: Lease | undefined;
  /**
   * Milliseconds after the last heartbeat until the lease lapses. Then another runner may take
   * over.
   * @default 30_000
   */
  leaseMs?: number | undefined;
  /**
   * Milliseconds between heartbeats; at most half of the lease.
   * @default a third of the lease
   */
  heartbeatMs?: number | undefined;
  /**
   * Takes a question of `elicit` or `sample` to the requestor, and resolves to the answer, which
   * the run then stores. For SDK 1.x, whose clients do not see stored questions. If it rejects, so
   * does `elicit` or `sample`, so wait in it for a client that may not be connected yet.
   * `tooling/docs/guides/running-tasks.md` has an example.
   * @default the question stays in the store for `provideInputs`
   */
  deliver?: ((question: InputRequest, about: DeliverContext) => Promise<Result>) | undefined;
  /**
   * Stops the run. The handler's signal aborts, and the run gives the lease back once the handler
   * has thrown, so that another runner may go on at once.
   */
  signal?: AbortSignal | undefined;
  /**
   * Whether the run keeps its process alive until it has settled.
   * @default true
   */
  keepAlive?: boolean | undefined;
}

/** What the handler returned or threw, and why its signal aborted, if it did. */
interface HandlerEnd {
  result?: Result;
  error?: unknown;
  reason?: unknown;
}

/** How a run ended. `stored` tells whether its result or error became the task's. */
export type RunOutcome =
  | (HandlerEnd & { stored: true; status: "completed"; result: Result; error?: never })
  /** `error` is absent where the handler returned a result with `isError: true`. */
  | (HandlerEnd & { stored: true; status: "failed" })
  /**
   * `status` is what this run saw last, `undefined` if it never saw the task. `reason` says why
   * the run could not start or why nothing was stored.
   */
  | (HandlerEnd & { stored: false; status: TaskStatus | undefined; reason: unknown });

const ms = checks.number(0, MAX_TIMER_MS);

export const HANDLER_OPTIONS: OptionTable<HandlerOptions> = {
  timeoutMs: ms,
  inputTimeoutMs: ms,
  onLost: checks.oneOf("rerun", "fail"),
  retry: checks.options(RETRY_OPTIONS),
  failureResult: checks.callable,
};

export const RUN_OPTIONS: OptionTable<RunTaskOptions> = {
  ...HANDLER_OPTIONS,
  lease: leaseCheck,
  leaseMs: checks.number(2, MAX_TIMER_MS),
  heartbeatMs: checks.number(0.5, MAX_TIMER_MS),
  deliver: checks.callable,
  signal: checks.signal,
  keepAlive: checks.flag,
};

/**
 * The times of a run.
 * @throws TaskStoreError `INVALID_ARGUMENT` for a heartbeat that is too slow for the lease
 */
export function runTimes(options: RunTaskOptions): { leaseMs: number; heartbeatMs: number } {
  const leaseMs = options.lease?.leaseMs ?? options.leaseMs ?? DEFAULT_LEASE_MS;
  const heartbeatMs = checked("heartbeatMs", options.heartbeatMs ?? leaseMs / 3, checks.number(0.5, leaseMs / 2));
  return { leaseMs, heartbeatMs: Math.min(heartbeatMs, MAX_TIMER_MS) };
}
