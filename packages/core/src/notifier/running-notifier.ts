import { invalid, isTaskStoreError, read } from "../contract/errors.ts";
import type { DeliveryOutcome, TakenEvent, TaskEvents } from "../contract/events.ts";
import { messageOf } from "../contract/json-rpc.ts";
import { checkOptions, checks } from "../contract/option-checks.ts";
import { onAbort, timedOut } from "../process/aborts.ts";
import { keptAlive } from "../process/keep-alive.ts";
import { clearTimeout, setTimeout } from "../process/real-time.ts";
import { reporter } from "../process/reporter.ts";
import { type FailedDelivery, type NotifierSettings, retryMsOf } from "./options.ts";

/** How long running deliveries may take to end after `stop`. */
const WAIT_MS = 5000;

/** The loop of a notifier: takes events, delivers them, and says how that ended. */
export class RunningNotifier {
  readonly #events: TaskEvents;
  readonly #settings: NotifierSettings;
  readonly #registered = Promise.withResolvers<void>();
  readonly #stopping = new AbortController();
  /** Aborts when the wait of `stop` is over. */
  readonly #giveUp = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /** Outcomes that the store does not have yet. */
  #outcomes: DeliveryOutcome[] = [];
  readonly #ended: Promise<void>;
  #wake: () => void = () => undefined;

  constructor(events: TaskEvents, settings: NotifierSettings, signal: AbortSignal | undefined) {
    this.#events = events;
    this.#settings = settings;
    // A caller that never asks must not get an unhandled rejection.
    this.#registered.promise.catch(() => undefined);
    const forget = onAbort(signal, () => void this.stop());
    this.#ended = this.#run().finally(forget);
  }

  registered(): Promise<void> {
    return this.#registered.promise;
  }

  async stop(options: { waitMs?: number | undefined } = {}): Promise<void> {
    checkOptions("stop", options, { waitMs: checks.milliseconds(0) });
    const stopped = new DOMException("The notifier was stopped", "AbortError");
    this.#stopping.abort(stopped);
    this.#wake();
    const timer = setTimeout(() => this.#giveUp.abort(stopped), options.waitMs ?? WAIT_MS);
    await keptAlive(this.#ended).finally(() => clearTimeout(timer));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    if (await this.#register()) {
      const unwatch = await this.#watch();
      while (!signal.aborted && (await this.#step()));
      unwatch?.();
    }
    this.#registered.reject(invalid("The notifier was stopped before it was registered"));
    await Promise.all(this.#running);
    await this.#settle();
  }

  /** Whether the notifier is registered. It tries again until it is, or is stopped. */
  async #register(): Promise<boolean> {
    const { name, on } = this.#settings;
    while (!this.#stopping.signal.aborted) {
      const woken = this.#nextWake();
      try {
        await this.#events.register({ name, on });
        this.#registered.resolve();
        return true;
      } catch (error) {
        if (isTaskStoreError(error, "STORE_CLOSED")) return false;
        this.#report(error, undefined);
        if (isTaskStoreError(error, "NOT_SUPPORTED") || isTaskStoreError(error, "INVALID_ARGUMENT")) {
          this.#registered.reject(error);
          return false;
        }
        await this.#pause(woken);
      }
    }
    return false;
  }

  async #watch(): Promise<(() => void) | undefined> {
    try {
      return await this.#events.watch(this.#settings.on, () => this.#wake());
    } catch (error) {
      if (!isTaskStoreError(error, "STORE_CLOSED")) this.#report(error, undefined);
      return undefined;
    }
  }

  /** Settles what has ended and takes what there is room for. Returns whether to go on. */
  async #step(): Promise<boolean> {
    // Made before the look, so that a signal during it is not lost.
    const woken = this.#nextWake();
    const { name, concurrency, leaseMs } = this.#settings;
    const settled = await this.#settle();
    const free = concurrency - this.#running.size;
    let taken: TakenEvent[] | null = [];
    try {
      if (settled && free > 0) taken = await this.#events.take({ notifier: name, limit: free, leaseMs });
    } catch (error) {
      if (isTaskStoreError(error, "STORE_CLOSED")) return false;
      this.#report(error, undefined);
    }
    if (taken === null) {
      this.#report(
        invalid(`The notifier ${JSON.stringify(name)} was removed: start it again to register it`),
        undefined,
      );
      return false;
    }
    for (const each of taken) this.#start(each);
    if (taken.length < free || free === 0) await this.#pause(woken);
    return true;
  }

  #start(taken: TakenEvent): void {
    const running = this.#deliver(taken).then((outcome) => {
      this.#outcomes.push(outcome);
      this.#running.delete(running);
      this.#wake();
    });
    this.#running.add(running);
  }

  /** Never rejects. */
  async #deliver({ lease, event }: TakenEvent): Promise<DeliveryOutcome> {
    const { deliver, limit, timeoutMs, backoff } = this.#settings;
    if (this.#stopping.signal.aborted) return { lease, outcome: "givenBack" };
    if (event.attempt > limit) {
      const error = new Error("The process of each delivery ended before the delivery did");
      return this.#failed(lease, { event, setAside: true }, error, 0);
    }
    const ending = new AbortController();
    const late = Promise.withResolvers<never>();
    const forget = onAbort(ending.signal, late.reject);
    const forgetStop = onAbort(this.#giveUp.signal, (reason) => ending.abort(reason));
    const timer = setTimeout(() => ending.abort(timedOut()), timeoutMs);
    if (!this.#settings.keepAlive) timer.unref();
    try {
      // A copy: what it changes does not change what is reported.
      const delivering = (async () => deliver(structuredClone(event), { signal: ending.signal }))();
      await Promise.race([delivering, late.promise]);
      return { lease, outcome: "delivered" };
    } catch (error) {
      if (this.#giveUp.signal.aborted) return { lease, outcome: "givenBack" };
      const retryMs = Math.max(retryMsOf(event.attempt, backoff), Number(read(error, "retryAfterMs")) || 0);
      return this.#failed(lease, { event, setAside: event.attempt >= limit }, error, retryMs);
    } finally {
      clearTimeout(timer);
      forget();
      forgetStop();
    }
  }

  #failed(lease: TakenEvent["lease"], failed: FailedDelivery, failure: unknown, retryMs: number): DeliveryOutcome {
    this.#report(failure, failed);
    const error = messageOf(failure);
    return failed.setAside ? { lease, outcome: "setAside", error } : { lease, outcome: "failed", error, retryMs };
  }

  /** Returns whether the store has every outcome. Otherwise the next step tries again. */
  async #settle(): Promise<boolean> {
    const outcomes = this.#outcomes;
    if (outcomes.length === 0) return true;
    this.#outcomes = [];
    try {
      await this.#events.settle(this.#settings.name, outcomes);
      return true;
    } catch (error) {
      // The events go to other processes when their leases lapse.
      if (isTaskStoreError(error, "STORE_CLOSED")) return true;
      this.#outcomes.push(...outcomes);
      this.#report(error, undefined);
      return false;
    }
  }

  #nextWake(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async #pause(woken: Promise<void>): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    let timer: NodeJS.Timeout | undefined;
    const polled = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#settings.pollMs);
      if (!this.#settings.keepAlive) timer.unref();
    });
    await Promise.race([woken, polled]);
    clearTimeout(timer);
  }

  #report(error: unknown, failed: FailedDelivery | undefined): void {
    reporter(this.#settings.onError)(error, failed);
  }
}
