import { checkStore, HOLDER_OPTIONS } from "../contract/call-options.ts";
import { MAX_TIMER_MS } from "../contract/checks.ts";
import { asStoreError, isTaskStoreError, type TaskStoreError } from "../contract/errors.ts";
import { checkOptions, checks, type OptionTable } from "../contract/option-checks.ts";
import type { LeaseOptions } from "../contract/options.ts";
import type { ClaimedTask } from "../contract/record.ts";
import type { Result } from "../contract/task.ts";
import type { RunnerStore } from "../contract/task-store.ts";
import { onAbort } from "../process/aborts.ts";
import { keptAlive } from "../process/keep-alive.ts";
import { clearTimeout, setTimeout } from "../process/real-time.ts";
import { reporter } from "../process/reporter.ts";
import {
  checkHandler,
  type HandlerMap,
  type HandlerWithOptions,
  handlerMap,
  limitsOf,
  limitsOfName,
  type TaskHandlers,
} from "./handlers.ts";
import { runClaimed } from "./run-claimed.ts";
import { RUN_OPTIONS, type RunOutcome, type RunTaskOptions, runTimes } from "./run-options.ts";
import type { TaskHandler } from "./task-handler.ts";

export interface WorkerOptions extends Omit<RunTaskOptions, "lease"> {
  /**
   * How many handlers run at once. The worker takes the next task while it stores the outcome of
   * the last one.
   * @default 1
   */
  concurrency?: number | undefined;
  /**
   * Most runs of a task, the first one included. A task whose runner was lost that often fails
   * instead of running again, because the task itself may be what ends its runners.
   * @default 3
   */
  maxAttempts?: number | undefined;
  /**
   * Milliseconds between looks for tasks that have become claimable, which no signal announces. A
   * task that is claimable when it is created is signalled, and the worker takes it at once. The
   * worker takes over the task of a lost runner at the latest `leaseMs` + `claimPollMs` after its
   * last heartbeat. It takes a task that waited for a limit of `concurrency` at once if the place
   * became free in this worker, and within `claimPollMs` if it did elsewhere.
   * @default 1_000
   */
  claimPollMs?: number | undefined;
  /**
   * Whether the worker ignores the creation of tasks, and looks every `claimPollMs` only. For a
   * process that runs its own tasks and takes over those of lost runners.
   * @default false
   */
  takeoverOnly?: boolean | undefined;
  /**
   * Whether the worker keeps its process alive until it is stopped. With `false`, its runs do not
   * either.
   * @default true
   */
  keepAlive?: boolean | undefined;
  /**
   * The worker's name and the version of its program, which operators see at the tasks that it
   * holds, beside host and process id.
   * @default none
   */
  holder?: LeaseOptions["holder"];
  /** Called with the outcome of each run. */
  onRun?: ((taskId: string, outcome: RunOutcome) => void) | undefined;
  /**
   * Called with each failure of the store. The worker goes on.
   * @default a process warning
   */
  onError?: ((error: TaskStoreError) => void) | undefined;
}

/** A loop that claims tasks and runs them. */
export interface TaskWorker extends AsyncDisposable {
  /**
   * Takes no more tasks, aborts the signals of the running handlers, and gives back their leases.
   * Resolves when all handlers have settled.
   */
  stop(): Promise<void>;
}

const { lease: _, ...OPTIONS_OF_RUNS } = RUN_OPTIONS;

export const WORKER_OPTIONS: OptionTable<WorkerOptions> = {
  ...OPTIONS_OF_RUNS,
  concurrency: checks.number(1),
  maxAttempts: checks.number(1),
  claimPollMs: checks.number(1, MAX_TIMER_MS),
  takeoverOnly: checks.flag,
  keepAlive: checks.flag,
  holder: checks.options(HOLDER_OPTIONS),
  onRun: checks.callable,
  onError: checks.callable,
};

/**
 * Runs tasks that no runner holds: new ones (see `claimAfterMs`), and those whose runner died or
 * gave them back. Start a worker in every process that can do the work, the server's own included.
 * A task then survives the death of any of them.
 *
 * @param handlers By tool name (or method, for requests other than `tools/call`). Each is a
 * function, or `{ handler, timeoutMs, inputTimeoutMs, onLost, concurrency }` where handlers differ.
 * You may add handlers to a `Map` later.
 * @throws TaskStoreError `INVALID_ARGUMENT` if there are no handlers, and for invalid options
 * @example
 * ```ts
 * const worker = startWorker(store, {
 *   report: async (task) => ({ content: [{ type: "text", text: await report(task.signal) }] }),
 *   charge: { handler: charge, timeoutMs: 60_000, onLost: "fail" },
 * });
 * process.once("SIGTERM", () => void worker.stop());
 * ```
 */
export function startWorker(store: RunnerStore, handlers: TaskHandlers, options: WorkerOptions = {}): TaskWorker {
  checkStore("startWorker", store);
  checkOptions("startWorker", options, WORKER_OPTIONS);
  runTimes(options);
  return new Worker(store, handlerMap("startWorker", handlers), options);
}

/** Most tasks that a worker takes in one step. */
const MOST_CLAIMED = 100;

class Worker implements TaskWorker {
  readonly #store: RunnerStore;
  readonly #handlers: HandlerMap;
  readonly #options: WorkerOptions;
  readonly #concurrency: number;
  readonly #claimPollMs: number;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /**
   * How many handlers are running. Storing an outcome does not count, so the next claim need not
   * wait.
   */
  #busy = 0;
  /** Invalid handlers that the worker has reported. */
  readonly #wrong = new Set<unknown>();
  readonly #ended: Promise<void>;
  #wake: () => void = () => undefined;

  constructor(store: RunnerStore, handlers: HandlerMap, options: WorkerOptions) {
    this.#store = store;
    this.#handlers = handlers;
    this.#options = options;
    this.#concurrency = options.concurrency ?? 1;
    this.#claimPollMs = options.claimPollMs ?? 1000;
    const forget = onAbort(options.signal, (reason) => this.#stopping.abort(reason));
    this.#ended = this.#loop().finally(forget);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new DOMException("The worker was stopped", "AbortError"));
    this.#wake();
    await keptAlive(this.#ended);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stopping;
    signal.addEventListener("abort", () => this.#wake(), { once: true });
    const unsubscribe = this.#options.takeoverOnly ? undefined : await this.#listen();
    while (!signal.aborted) {
      // Made before the look, so that a signal during it is not lost.
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const free = this.#concurrency - this.#busy;
      const claimed = free > 0 ? await this.#claim(free) : [];
      if (claimed === "closed") break;
      if (signal.aborted) {
        await this.#giveBack(claimed);
        break;
      }
      for (const each of claimed) this.#start(each);
      if (claimed.length === 0) await this.#pause(woken);
    }
    unsubscribe?.();
    await Promise.all(this.#running);
  }

  /** Wakes the loop at once for tasks that it can run, and for no others. */
  async #listen(): Promise<(() => void) | undefined> {
    try {
      return await this.#store.watchClaimable((name) => {
        if (name === undefined || this.#handlers.has(name)) this.#wake();
      });
    } catch (error) {
      return this.#report(error);
    }
  }

  /** Takes no more than it can run now, so that other workers get the rest. */
  async #claim(free: number): Promise<ClaimedTask[] | "closed"> {
    try {
      const names = this.#names();
      if (names.length === 0) return [];
      const { leaseMs, holder } = this.#options;
      const limit = Math.min(Math.ceil(free), MOST_CLAIMED);
      const concurrency = limitsOf(this.#handlers, names);
      return await this.#store.claimTasks({ names, leaseMs, holder, limit, concurrency });
    } catch (error) {
      if (isTaskStoreError(error, "STORE_CLOSED")) return "closed";
      this.#report(error);
      return [];
    }
  }

  /**
   * Gives back tasks that were claimed while the worker stopped. If the store is closed, other
   * workers take them when their leases lapse.
   */
  async #giveBack(claimed: readonly ClaimedTask[]): Promise<void> {
    for (const { lease } of claimed)
      await this.#store.releaseLease(lease).catch((error: unknown) => {
        if (!isTaskStoreError(error, "STORE_CLOSED")) this.#report(error);
      });
  }

  /**
   * The names that the worker can run. An invalid handler may have been added to a Map: the worker
   * reports it once, and goes on with the other names.
   */
  #names(): string[] {
    return [...this.#handlers].filter(([name, given]) => this.#isRight(name, given)).map(([name]) => name);
  }

  #isRight(name: string, given: TaskHandler | HandlerWithOptions): boolean {
    if (typeof given === "function") return true;
    if (this.#wrong.has(given)) return false;
    try {
      checkHandler(name, given);
      return true;
    } catch (error) {
      this.#wrong.add(given);
      this.#report(error);
      return false;
    }
  }

  async #pause(woken: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const polled = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#claimPollMs);
      if (this.#options.keepAlive === false) timer.unref();
    });
    await Promise.race([woken, polled]);
    clearTimeout(timer);
  }

  #start(claimed: ClaimedTask): void {
    const run = this.#run(claimed)
      .catch((error: unknown) => this.#report(error))
      .finally(() => {
        this.#running.delete(run);
        // A place under a limit is free once the outcome is stored.
        if (limitsOfName(this.#handlers, claimed.record.name)) this.#wake();
      });
    this.#running.add(run);
  }

  async #run(claimed: ClaimedTask): Promise<void> {
    const { taskId } = claimed.record.task;
    const outcome = await runClaimed(this.#store, claimed, this.#handlers, {
      ...this.#options,
      signal: this.#stopping.signal,
      around: (work) => this.#counted(work),
    });
    this.#ran(taskId, outcome);
  }

  async #counted(work: () => Result | Promise<Result>): Promise<Result> {
    this.#busy += 1;
    try {
      return await work();
    } finally {
      this.#busy -= 1;
      this.#wake();
    }
  }

  /** An error in `onRun` is the application's, not the store's. */
  #ran(taskId: string, outcome: RunOutcome): void {
    reporter((ended: RunOutcome) => this.#options.onRun?.(taskId, ended))(outcome);
  }

  #report(error: unknown): undefined {
    const { onError = (failure: TaskStoreError) => process.emitWarning(failure) } = this.#options;
    reporter(onError)(asStoreError(error));
  }
}
