import { ANY_OWNER, type ClaimedTask, type TaskStore } from "./contract.ts";
import { asStoreError } from "./engine.ts";
import { invalid, isTaskStoreError, type TaskStoreError } from "./errors.ts";
import { failure, Run } from "./run.ts";
import {
  checkRunOptions,
  type RunOutcome,
  type RunTaskOptions,
  type TaskContext,
  type TaskHandler,
} from "./run-task.ts";
import { checkNumber, MAX_TIMER_MS } from "./settings.ts";
import type { Result } from "./task.ts";

export interface WorkerOptions extends Omit<RunTaskOptions, "lease"> {
  /** Handlers that run at once; the next task is taken while the outcome of the last one is being stored. Default 1. */
  concurrency?: number | undefined;
  /**
   * Most runs of a task, the first one included; after that, a task whose runner was lost fails instead of being run again, because it may be what
   * ends its runners. Default 3.
   */
  maxAttempts?: number | undefined;
  /**
   * Milliseconds between looks for tasks that may be claimed by now, which no signal tells of; a task that may be claimed when it is
   * created is signalled and taken at once. The task of a lost runner is taken over `leaseMs` + `pollMs` after its last heartbeat at the latest.
   * Default 1,000.
   */
  pollMs?: number | undefined;
  /**
   * Take no notice of tasks that are created, and look every `pollMs` only: for a process that runs its own tasks and takes over those of lost
   * runners. Default false.
   */
  takeoverOnly?: boolean | undefined;
  /** Whether the worker keeps its process alive until it is stopped. Default true. */
  keepAlive?: boolean | undefined;
  /** Told how each run ended. */
  onRun?: ((taskId: string, outcome: RunOutcome) => void) | undefined;
  /** Told of failures of the store; the worker goes on. Default: a process warning. */
  onError?: ((error: TaskStoreError) => void) | undefined;
}

/** A loop that claims tasks and runs them. */
export interface TaskWorker extends AsyncDisposable {
  /** Takes no more tasks, aborts the signals of those that run, gives their leases back, and resolves when all handlers have settled. */
  stop(): Promise<void>;
}

/**
 * Runs tasks that no runner holds: new ones (see `claimAfterMs`), and those whose runner died or gave them back. Start
 * one in every process that can do the work, the server's own included, and tasks survive the death of any of them.
 *
 * @param handlers By tool name (or method, for requests other than `tools/call`). To a `Map`, handlers may be added later.
 * @throws TaskStoreError `INVALID_ARGUMENT` for no handlers and for options that cannot be right
 */
export function startWorker(
  store: TaskStore,
  handlers: Record<string, TaskHandler> | ReadonlyMap<string, TaskHandler>,
  options: WorkerOptions = {},
): TaskWorker {
  if (handlers instanceof Map) return new Worker(store, handlers, options);
  const entries = Object.entries(handlers);
  if (entries.length === 0) throw invalid("startWorker needs at least one handler");
  return new Worker(store, new Map(entries), options);
}

class Worker implements TaskWorker {
  readonly #store: TaskStore;
  readonly #handlers: ReadonlyMap<string, TaskHandler>;
  readonly #options: WorkerOptions;
  readonly #concurrency: number;
  readonly #maxAttempts: number;
  readonly #pollMs: number;
  readonly #heartbeatMs: number;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /** Handlers at work. The next task is claimed while the outcome of the last one is being stored. */
  #busy = 0;
  readonly #ended: Promise<void>;
  #wake: () => void = () => undefined;

  constructor(store: TaskStore, handlers: ReadonlyMap<string, TaskHandler>, options: WorkerOptions) {
    this.#store = store;
    this.#handlers = handlers;
    this.#options = options;
    this.#concurrency = checkNumber("concurrency", options.concurrency ?? 1, 1);
    this.#maxAttempts = checkNumber("maxAttempts", options.maxAttempts ?? 3, 1);
    this.#heartbeatMs = checkRunOptions(options).heartbeatMs;
    this.#pollMs = checkNumber("pollMs", options.pollMs ?? 1000, 1, MAX_TIMER_MS);
    const { signal } = options;
    if (signal?.aborted) this.#stopping.abort(signal.reason);
    signal?.addEventListener("abort", () => this.#stopping.abort(signal.reason), { signal: this.#stopping.signal });
    this.#ended = this.#loop();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new DOMException("The worker was stopped", "AbortError"));
    this.#wake();
    await this.#ended;
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
      const claimed = this.#busy < this.#concurrency ? await this.#claim() : null;
      if (claimed === "closed") break;
      if (claimed && signal.aborted) {
        // Stopped while it claimed: it takes no more tasks. If the store was closed, others take this one when the lease lapses.
        await this.#store.releaseLease(claimed.lease).catch((error: unknown) => {
          if (!isTaskStoreError(error, "STORE_CLOSED")) this.#report(error);
        });
        break;
      }
      if (claimed) this.#start(claimed);
      else await this.#pause(woken);
    }
    unsubscribe?.();
    await Promise.all(this.#running);
  }

  /** Learns at once of tasks that are created. */
  async #listen(): Promise<(() => void) | undefined> {
    try {
      // Later revisions are of tasks that somebody runs.
      return await this.#store.subscribe(({ revision }) => revision === 1 && this.#wake(), { owner: ANY_OWNER });
    } catch (error) {
      return this.#report(error);
    }
  }

  async #claim(): Promise<ClaimedTask | "closed" | null> {
    try {
      if (this.#handlers.size === 0) return null;
      return await this.#store.claimTask({ names: [...this.#handlers.keys()], durationMs: this.#options.leaseMs });
    } catch (error) {
      if (isTaskStoreError(error, "STORE_CLOSED")) return "closed";
      this.#report(error);
      return null;
    }
  }

  async #pause(woken: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const polled = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#pollMs);
      if (this.#options.keepAlive === false) timer.unref();
    });
    await Promise.race([woken, polled]);
    clearTimeout(timer);
  }

  #start(claimed: ClaimedTask): void {
    const run = this.#run(claimed)
      .catch((error: unknown) => this.#report(error))
      .finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  async #run({ lease, record }: ClaimedTask): Promise<void> {
    const { taskId } = record.task;
    if (lease.attempt > this.#maxAttempts) {
      const error = { code: -32603, message: `The task was given up: its runner was lost ${this.#maxAttempts} times` };
      await this.#store.finishTask(taskId, failure(error), { owner: ANY_OWNER, lease });
      this.#ran(taskId, { stored: true, status: "failed", error });
      return;
    }
    const handler = this.#handlers.get(record.name) as TaskHandler;
    const options = { ...this.#options, signal: this.#stopping.signal };
    const run = new Run(this.#store, lease, record, this.#heartbeatMs, options);
    this.#ran(taskId, await run.run((task) => this.#handle(handler, task)));
  }

  async #handle(handler: TaskHandler, task: TaskContext): Promise<Result> {
    this.#busy += 1;
    try {
      return await handler(task);
    } finally {
      this.#busy -= 1;
      this.#wake();
    }
  }

  /** An error in `onRun` is the application's, not the store's. */
  #ran(taskId: string, outcome: RunOutcome): void {
    try {
      this.#options.onRun?.(taskId, outcome);
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error));
    }
  }

  #report(error: unknown): undefined {
    const { onError = (failure: TaskStoreError) => process.emitWarning(failure) } = this.#options;
    try {
      onError(asStoreError(error));
    } catch (failure) {
      process.emitWarning(failure instanceof Error ? failure : String(failure));
    }
  }
}
