import { REGISTER_OPTIONS } from "../contract/call-options.ts";
import { MAX_TIMER_MS } from "../contract/checks.ts";
import { invalid } from "../contract/errors.ts";
import type { DeliveredEvent, TaskEventKind } from "../contract/events.ts";
import { checkOptions, checks, type OptionTable } from "../contract/option-checks.ts";

/**
 * Passes an event on, and resolves once it has arrived for good. If it throws or rejects, the event
 * is delivered again later. It may get an event more than once: tell repeats by `event.id`.
 */
export type Deliver = (event: DeliveredEvent, options: { signal: AbortSignal }) => unknown;

/** How long the next delivery of an event waits after a failure. */
export interface DeliveryBackoff {
  /**
   * Milliseconds after the first failure.
   * @default 5_000
   */
  delayMs?: number | undefined;
  /**
   * Each later wait is so many times as long as the one before.
   * @default 3
   */
  factor?: number | undefined;
  /**
   * Longest wait in milliseconds.
   * @default 3_600_000 (an hour)
   */
  maxDelayMs?: number | undefined;
  /**
   * The share by which a wait is shorter or longer at random, from 0 to 1, so that events that
   * failed together do not come back together.
   * @default 0.2
   */
  jitter?: number | undefined;
}

/** A delivery that failed. */
export interface FailedDelivery {
  event: DeliveredEvent;
  /** It is not delivered again, unless an operator asks for it. */
  setAside: boolean;
}

export interface NotifierOptions {
  /**
   * The notifier's name. Processes with the same name share its events, and each event goes to one
   * of them. Notifiers of other names get events of their own.
   */
  name: string;
  /** The kinds of events: see `TASK_EVENT_KINDS`. */
  on: readonly TaskEventKind[];
  deliver: Deliver;
  /**
   * How many events this process delivers at once, each of another task.
   * @default 8
   */
  concurrency?: number | undefined;
  backoff?: DeliveryBackoff | undefined;
  /**
   * Most deliveries of an event. After so many failures it is set aside: operators see it, and
   * later events of its task go on. A delivery whose process died counts as well.
   * @default 10
   */
  limit?: number | undefined;
  /**
   * Milliseconds after which a delivery has failed. Its signal aborts.
   * @default 30_000
   */
  timeoutMs?: number | undefined;
  /**
   * Milliseconds after which an event goes to another process if this one has died.
   * @default `timeoutMs` + 30_000
   */
  leaseMs?: number | undefined;
  /**
   * Milliseconds between looks for events that no signal announces: those whose wait or lease is
   * over.
   * @default 1_000
   */
  pollMs?: number | undefined;
  /**
   * Whether the notifier keeps its process alive until it is stopped.
   * @default true
   */
  keepAlive?: boolean | undefined;
  /** Stops the notifier, as `stop` does. */
  signal?: AbortSignal | undefined;
  /**
   * Called with each failed delivery, and without one for each failure of the store. The notifier
   * goes on.
   * @default a process warning for failures of the store and for events that are set aside
   */
  onError?: ((error: unknown, failed: FailedDelivery | undefined) => void) | undefined;
}

const BACKOFF_OPTIONS: OptionTable<DeliveryBackoff> = {
  delayMs: checks.milliseconds(0),
  factor: checks.number(1, 1000),
  maxDelayMs: checks.milliseconds(0),
  jitter: checks.number(0, 1),
};

const OPTIONS: OptionTable<NotifierOptions> = {
  ...REGISTER_OPTIONS,
  deliver: checks.callable,
  concurrency: checks.whole(1, 1000),
  backoff: checks.options(BACKOFF_OPTIONS),
  limit: checks.whole(1),
  timeoutMs: checks.milliseconds(1),
  leaseMs: checks.milliseconds(1),
  pollMs: checks.number(1, MAX_TIMER_MS),
  keepAlive: checks.flag,
  signal: checks.signal,
  onError: checks.callable,
};

/** The options with their defaults. */
export interface NotifierSettings {
  readonly name: string;
  readonly on: readonly TaskEventKind[];
  readonly deliver: Deliver;
  readonly concurrency: number;
  readonly backoff: { readonly [Name in keyof DeliveryBackoff]-?: number };
  readonly limit: number;
  readonly timeoutMs: number;
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly keepAlive: boolean;
  readonly onError: NonNullable<NotifierOptions["onError"]>;
}

/** @throws TaskStoreError `INVALID_ARGUMENT` */
export function notifierSettings(options: NotifierOptions): NotifierSettings {
  checkOptions("startNotifier", options, OPTIONS);
  for (const name of ["name", "on", "deliver"] as const)
    if (options[name] === undefined) throw invalid(`startNotifier needs the option ${name}`);
  const { timeoutMs = 30_000 } = options;
  const { leaseMs = timeoutMs + 30_000 } = options;
  if (leaseMs < timeoutMs)
    throw invalid("leaseMs must be at least timeoutMs, or an event could go to two processes at once");
  return {
    name: options.name,
    on: [...options.on],
    deliver: options.deliver,
    concurrency: options.concurrency ?? 8,
    backoff: {
      delayMs: options.backoff?.delayMs ?? 5000,
      factor: options.backoff?.factor ?? 3,
      maxDelayMs: options.backoff?.maxDelayMs ?? 3_600_000,
      jitter: options.backoff?.jitter ?? 0.2,
    },
    limit: options.limit ?? 10,
    timeoutMs,
    leaseMs,
    pollMs: options.pollMs ?? 1000,
    keepAlive: options.keepAlive ?? true,
    onError: options.onError ?? warnOfLoss,
  };
}

function warnOfLoss(error: unknown, failed: FailedDelivery | undefined): void {
  if (failed && !failed.setAside) return;
  process.emitWarning(error instanceof Error ? error : String(error));
}

/** Milliseconds to wait after so many failed deliveries. */
export function retryMsOf(attempt: number, { delayMs, factor, maxDelayMs, jitter }: NotifierSettings["backoff"]) {
  const wait = Math.min(delayMs * factor ** (attempt - 1), maxDelayMs);
  return wait * (1 + jitter * (2 * Math.random() - 1));
}
