import type { TaskStatus } from "./task.ts";

/**
 * The kinds of events. Each change that a requestor can see has exactly one: `created`; `end`,
 * after which the task is completed, failed or cancelled; `input_required`, after which it waits
 * for input; and `progress`, which is every other change of its status or message. Expiry changes
 * nothing and is no event.
 */
export const TASK_EVENT_KINDS = ["created", "progress", "input_required", "end"] as const;

/** See `TASK_EVENT_KINDS`. */
export type TaskEventKind = (typeof TASK_EVENT_KINDS)[number];

/** The task as it was right after the change. It may have changed since, or be gone. */
export interface EventTask {
  taskId: string;
  /** Tool name of a `tools/call`, otherwise the method. */
  name: string;
  /** Absent without owner. */
  owner?: string;
  status: TaskStatus;
  statusMessage?: string;
  /** Grows with each change of the task. */
  revision: number;
}

/** A change of a task, for one notifier. */
export interface TaskEvent {
  /** Unique, and the same each time the event is delivered: receivers tell repeats by it. */
  id: string;
  kind: TaskEventKind;
  /** When the change was made. ISO 8601, UTC, by the store's clock. */
  at: string;
  task: EventTask;
}

/** An event that is being delivered. */
export interface DeliveredEvent extends TaskEvent {
  /** 1 for the first delivery. */
  attempt: number;
}

/** A caller's right to deliver an event. */
export interface EventLease {
  readonly seq: number;
  readonly token: number;
}

/** An event that `take` handed to this caller. */
export interface TakenEvent {
  readonly lease: EventLease;
  readonly event: DeliveredEvent;
}

/** How a delivery ended. */
export type DeliveryOutcome = { readonly lease: EventLease } & (
  | { readonly outcome: "delivered" }
  /** It is delivered again after `retryMs` milliseconds. `error` is for operators. */
  | { readonly outcome: "failed"; readonly error: string; readonly retryMs: number }
  /** It is not delivered again, unless an operator asks for it. */
  | { readonly outcome: "setAside"; readonly error: string }
  /** It was not delivered. The attempt does not count. */
  | { readonly outcome: "givenBack" }
);

export interface RegisterNotifierOptions {
  /** The notifier's name. Processes that use the same name share its events. */
  name: string;
  /** The kinds of events. They replace those of a registration before. */
  on: readonly TaskEventKind[];
}

export interface TakeEventsOptions {
  notifier: string;
  /** Most events to take: how many the caller can deliver now. A whole number from 1 to 1,000. */
  limit: number;
  /** An event that is not settled goes to another caller after this many milliseconds. */
  leaseMs: number;
}

/**
 * The events of tasks, for those that pass them on. `startNotifier` does all of this. For trusted
 * code: it sees every owner's tasks. Methods reject with `NOT_SUPPORTED` if the backend keeps no
 * events.
 */
export interface TaskEvents {
  /**
   * Begins to keep events: each change after this call, by any process, has one until it is
   * delivered. An existing registration keeps its events.
   * @throws `INVALID_ARGUMENT`, `NOT_SUPPORTED`
   */
  register(options: RegisterNotifierOptions): Promise<void>;
  /**
   * Takes events to deliver, of each task the oldest one, unless it is being delivered or has to
   * wait. No event goes to two callers at once. Resolves to `null` if no notifier of this name is
   * registered.
   * @throws `INVALID_ARGUMENT`, `NOT_SUPPORTED`
   */
  take(options: TakeEventsOptions): Promise<TakenEvent[] | null>;
  /**
   * Says how deliveries ended. An outcome changes nothing once another caller has the event.
   * @throws `INVALID_ARGUMENT`, `NOT_SUPPORTED`
   */
  settle(notifier: string, outcomes: readonly DeliveryOutcome[]): Promise<void>;
  /**
   * Calls `listener` soon after changes of these kinds, by any process. It costs no read. Signals
   * can be lost, so take events from time to time as well. Returns a function that ends it.
   */
  watch(on: readonly TaskEventKind[], listener: () => void): Promise<() => void>;
}

/** A notifier as operators see it. */
export interface NotifierStatus {
  name: string;
  on: TaskEventKind[];
  /** Events that are not delivered yet, without those that are set aside. */
  waiting: number;
  setAside: number;
  /** The time of the oldest event that waits. ISO 8601, UTC. */
  oldestAt?: string;
}

/** An event that is not delivered yet, as operators see it. */
export interface KeptEvent extends TaskEvent {
  /** How many deliveries have begun. */
  attempt: number;
  /** It is not delivered again, unless an operator asks for it. */
  setAside: boolean;
  /** Why the last delivery failed: the first 300 characters of the error's message. */
  error?: string;
}

export interface ListEventsOptions {
  notifier: string;
  /**
   * Only events that are set aside.
   * @default false
   */
  setAside?: boolean | undefined;
  /**
   * Most events of a page, from 1 to 1,000.
   * @default 50
   */
  limit?: number | undefined;
  /** `nextCursor` of the page before. */
  cursor?: string | undefined;
}

export interface EventPage {
  /** The oldest first. */
  events: KeptEvent[];
  nextCursor?: string;
}

/** Which events of a notifier to deliver again. Give either `ids` or `all`. */
export interface RedeliverOptions {
  notifier: string;
  /** At most 1,000. */
  ids?: readonly string[] | undefined;
  /** All that are set aside. */
  all?: true | undefined;
}
