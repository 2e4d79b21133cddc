import { createHash } from "node:crypto";
import { MAX_TTL_MS } from "../contract/checks.ts";
import { invalid } from "../contract/errors.ts";
import { checked, checkOptions, checks, type OptionTable } from "../contract/option-checks.ts";
import { deadline, onAbort } from "../process/aborts.ts";
import { clearTimeout, setTimeout } from "../process/real-time.ts";
import { RETRY_OPTIONS, type RetryOptions, retryDelay } from "./retry.ts";

/** The argument of a step's function. */
export interface StepContext {
  /**
   * The same in each attempt of this step, in every run of this task: hand it to systems that know
   * idempotency keys. No other step and no other task has it.
   */
  readonly idempotencyKey: string;
  /** 1 for the first attempt of this run. */
  readonly attempt: number;
  /** Aborts as the run's signal does, and when the attempt has reached its `timeoutMs`. */
  readonly signal: AbortSignal;
}

export interface StepOptions {
  /**
   * Repeats a failed step within the run. A run that takes over counts anew.
   * @default a failed step rejects
   */
  retry?: RetryOptions | undefined;
  /**
   * Milliseconds after which an attempt rejects with a `TimeoutError`, whether or not the function
   * heeds its signal.
   * @default no deadline
   */
  timeoutMs?: number | undefined;
}

export type StepWork<T> = (step: StepContext) => T | Promise<T>;

const STEP_OPTIONS: OptionTable<StepOptions> = {
  retry: checks.options(RETRY_OPTIONS),
  timeoutMs: checks.number(0, Number.POSITIVE_INFINITY),
};

/** How a run keeps what its steps return. */
export interface StepKeeper {
  readonly taskId: string;
  /** The run's signal. */
  readonly signal: AbortSignal;
  /** The results that runs before this one have kept. */
  kept(name: string): { readonly result: unknown } | undefined;
  /** Resolves once the result is stored. */
  keep(name: string, result: unknown): Promise<void>;
  /** Ends the run, so that another goes on after this time. Resolves where none has to end. */
  sleep(name: string, ms: number): Promise<void>;
}

/** The steps of one run. */
export class Steps {
  readonly #keeper: StepKeeper;
  readonly #names = new Set<string>();

  constructor(keeper: StepKeeper) {
    this.#keeper = keeper;
  }

  async step<T>(name: string, work: StepWork<T>, options: StepOptions = {}): Promise<T> {
    this.#use(name);
    if (typeof work !== "function") throw invalid("A step needs a function that does its work");
    checkOptions("A step", options, STEP_OPTIONS);
    const { signal } = this.#keeper;
    signal.throwIfAborted();
    const kept = this.#keeper.kept(name);
    if (kept) return kept.result as T;
    const result = await this.#attempts(name, work, options);
    await this.#keeper.keep(name, result);
    return result;
  }

  async sleep(name: string, ms: number): Promise<void> {
    this.#use(name);
    checked("The time of a sleep", ms, checks.number(0, MAX_TTL_MS));
    this.#keeper.signal.throwIfAborted();
    if (!this.#keeper.kept(name)) await this.#keeper.sleep(name, ms);
  }

  /** A name that came twice would give the second step the first one's result. */
  #use(name: string): void {
    checked("The name of a step", name, checks.text);
    if (this.#names.has(name))
      throw invalid(`The run has had a step ${JSON.stringify(name)}: give each step a name of its own`);
    this.#names.add(name);
  }

  async #attempts<T>(name: string, work: StepWork<T>, { retry, timeoutMs }: StepOptions): Promise<T> {
    const { taskId, signal } = this.#keeper;
    const idempotencyKey = createHash("sha256")
      .update(JSON.stringify([taskId, name]))
      .digest("base64url");
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await within(timeoutMs, signal, (own) => work({ idempotencyKey, attempt, signal: own }));
      } catch (error) {
        signal.throwIfAborted();
        const delay = retryDelay(retry, attempt, error);
        if (delay === undefined) throw error;
        await pause(delay, signal);
      }
    }
  }
}

/** Calls the work with a signal that follows the run's and aborts at the deadline. */
async function within<T>(
  timeoutMs: number | undefined,
  signal: AbortSignal,
  work: (signal: AbortSignal) => T | Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => undefined);
  const forget = onAbort(signal, (reason) => abort.abort(reason));
  const cancel = deadline(timeoutMs, () => {
    const error = new DOMException(`The step took longer than its limit of ${timeoutMs} ms`, "TimeoutError");
    abort.abort(error);
    ended.reject(error);
  });
  try {
    return await Promise.race([work(abort.signal), ended.promise]);
  } finally {
    forget();
    cancel();
  }
}

/** Rejects with the signal's reason if that aborts first. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // A timer has a bound, and a long pause takes several.
  const turn = (left: number) => {
    const now = Math.min(left, MAX_TURN_MS);
    timer = setTimeout(() => (left > now ? turn(left - now) : resolve()), now);
  };
  let timer: NodeJS.Timeout | undefined;
  turn(ms);
  const forget = onAbort(signal, reject);
  return promise.finally(() => {
    clearTimeout(timer);
    forget();
  });
}

const MAX_TURN_MS = 2_000_000_000;
