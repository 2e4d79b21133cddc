import { checkStore, HOLDER_OPTIONS } from "../contract/call-options.ts";
import { MAX_TIMER_MS } from "../contract/checks.ts";
import { checkOptions, checks, type OptionTable } from "../contract/option-checks.ts";
import type { LeaseOptions } from "../contract/options.ts";
import type { ClaimedTask } from "../contract/record.ts";
import type { RunnerStore } from "../contract/task-store.ts";
import { deadline, onAbort } from "../process/aborts.ts";
import { reporter } from "../process/reporter.ts";
import { type HandlerMap, handlerMap, limitsOf, type TaskHandlers } from "./handlers.ts";
import { runClaimed } from "./run-claimed.ts";
import { RUN_OPTIONS, type RunOutcome, type RunTaskOptions, runTimes } from "./run-options.ts";

export interface RunNextOptions extends Omit<RunTaskOptions, "lease"> {
  /**
   * Milliseconds after which the run is stopped, as by `signal`. Choose less than the platform
   * leaves the call, so that the handler can save its checkpoint and the task can be given back.
   * @default no limit
   */
  maxMs?: number | undefined;
  /**
   * As in `startWorker`.
   * @default 3
   */
  maxAttempts?: number | undefined;
  /**
   * As in `startWorker`.
   * @default none
   */
  holder?: LeaseOptions["holder"];
}

export interface DrainOptions extends RunNextOptions {
  /**
   * How many handlers run at once.
   * @default 1
   */
  concurrency?: number | undefined;
  /** Called with the outcome of each run. */
  onRun?: ((taskId: string, outcome: RunOutcome) => void) | undefined;
}

/** A task that `runNext` ran. */
export interface RanTask {
  taskId: string;
  /** The name of its tool (or method). */
  name: string;
  outcome: RunOutcome;
}

/** What `drain` did. */
export interface DrainOutcome {
  /** How many runs there were. */
  ran: number;
  /**
   * Whether no task was left that could be claimed. Tasks that wait for a limit of `concurrency`
   * cannot be. `false`: the time was up, or the signal aborted.
   */
  done: boolean;
}

const { lease: _, ...OPTIONS_OF_RUNS } = RUN_OPTIONS;

const RUN_NEXT_OPTIONS: OptionTable<RunNextOptions> = {
  ...OPTIONS_OF_RUNS,
  maxMs: checks.number(0, MAX_TIMER_MS),
  maxAttempts: checks.number(1),
  holder: checks.options(HOLDER_OPTIONS),
};

const DRAIN_OPTIONS: OptionTable<DrainOptions> = {
  ...RUN_NEXT_OPTIONS,
  concurrency: checks.whole(1, 1000),
  onRun: checks.callable,
};

/**
 * Claims one task that no runner holds, and runs it. For places that call a program now and then:
 * cron, `waitUntil`, Lambda.
 *
 * @param handlers As for `startWorker`.
 * @returns The task with the outcome of its run, or `undefined` if there was none to claim. Rejects
 * with the `TaskStoreError` if the claim fails.
 * @throws TaskStoreError `INVALID_ARGUMENT` if there are no handlers, and for invalid options
 * @example
 * ```ts
 * while (await runNext(store, { report })) console.log("one more");
 * ```
 */
export async function runNext(
  store: RunnerStore,
  handlers: TaskHandlers,
  options: RunNextOptions = {},
): Promise<RanTask | undefined> {
  checkOptions("runNext", options, RUN_NEXT_OPTIONS);
  let ran: RanTask | undefined;
  await untilStopped(options, async (signal) => {
    const claims = new Claims("runNext", store, handlers, { ...options, signal });
    for (const claimed of await claims.take(1)) ran = await claims.run(claimed);
  });
  return ran;
}

/**
 * Claims tasks that no runner holds and runs them, until none is left or `maxMs` have passed. It
 * then stops the runs that are under way and gives their tasks back, so that the next call goes on
 * from their checkpoints.
 *
 * @param handlers As for `startWorker`.
 * @returns How many tasks ran, and whether none is left. Rejects with the `TaskStoreError` if a
 * claim fails, after the handlers have settled.
 * @throws TaskStoreError `INVALID_ARGUMENT` if there are no handlers, and for invalid options
 * @example
 * ```ts
 * // Cloudflare, Vercel: after the answer of a request.
 * ctx.waitUntil(drain(store, { report }, { maxMs: 20_000 }));
 * ```
 */
export async function drain(
  store: RunnerStore,
  handlers: TaskHandlers,
  options: DrainOptions = {},
): Promise<DrainOutcome> {
  checkOptions("drain", options, DRAIN_OPTIONS);
  const { concurrency = 1, onRun, ...ofRuns } = options;
  let ran = 0;
  let done = false;
  await untilStopped(options, async (signal) => {
    const claims = new Claims("drain", store, handlers, { ...ofRuns, signal });
    const running = new Set<Promise<void>>();
    const start = (claimed: ClaimedTask) => {
      ran += 1;
      const run = claims.run(claimed).then(({ taskId, outcome }) => {
        running.delete(run);
        // An error in `onRun` is the application's own.
        reporter((ended: RunOutcome) => onRun?.(taskId, ended))(outcome);
      });
      running.add(run);
    };
    try {
      while (!signal.aborted) {
        for (const each of await claims.take(concurrency - running.size)) start(each);
        // A handler may make tasks, so the last look comes after the last run.
        done = running.size === 0 && !signal.aborted;
        if (running.size === 0) break;
        await Promise.race(running);
      }
    } finally {
      await Promise.all(running);
    }
  });
  return { ran, done };
}

/** Claims tasks for the handlers, and runs them, until the signal aborts. */
class Claims {
  readonly #store: RunnerStore;
  readonly #handlers: HandlerMap;
  readonly #options: RunNextOptions & { signal: AbortSignal };

  constructor(
    where: string,
    store: RunnerStore,
    handlers: TaskHandlers,
    options: RunNextOptions & { signal: AbortSignal },
  ) {
    checkStore(where, store);
    runTimes(options);
    this.#handlers = handlerMap(where, handlers);
    this.#store = store;
    this.#options = options;
  }

  /** Claims at most that many tasks. Gives them back if the signal aborts meanwhile. */
  async take(limit: number): Promise<ClaimedTask[]> {
    const { signal, leaseMs, holder } = this.#options;
    const names = [...this.#handlers.keys()];
    if (signal.aborted || limit === 0 || names.length === 0) return [];
    const concurrency = limitsOf(this.#handlers, names);
    const claimed = await this.#store.claimTasks({ names, leaseMs, holder, limit, concurrency });
    if (!signal.aborted) return claimed;
    await Promise.all(claimed.map(({ lease }) => this.#store.releaseLease(lease)));
    return [];
  }

  async run(claimed: ClaimedTask): Promise<RanTask> {
    const { task, name } = claimed.record;
    const { maxMs, holder, ...options } = this.#options;
    return { taskId: task.taskId, name, outcome: await runClaimed(this.#store, claimed, this.#handlers, options) };
  }
}

/** Does the work with a signal that aborts after `maxMs`, or with the caller's own signal. */
async function untilStopped(
  { maxMs, signal }: RunNextOptions,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const forget = onAbort(signal, (reason) => stop.abort(reason));
  const end = deadline(maxMs, () => stop.abort(new DOMException("The time for this call is up", "AbortError")));
  try {
    await work(stop.signal);
  } finally {
    end();
    forget();
  }
}
