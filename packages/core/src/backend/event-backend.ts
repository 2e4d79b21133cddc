import type { TaskEventKind } from "../contract/events.ts";
import type { TaskStatus } from "../contract/task.ts";
import type { StoredTask } from "./stored-task.ts";

/** An event of one notifier as a backend keeps it. Times are by the backend's clock. */
export interface StoredEvent {
  /** Grows from event to event of a task. Never used twice. */
  readonly seq: number;
  /** Random or as good as that: no other event of any store has it. */
  readonly id: string;
  readonly kind: TaskEventKind;
  /** `updatedAt` of the task. */
  readonly at: number;
  readonly taskId: string;
  readonly owner: string | null;
  readonly name: string;
  readonly status: TaskStatus;
  readonly statusMessage: string | null;
  readonly revision: number;
  /** How often it was taken and not given back. */
  readonly attempt: number;
  /** Fencing token; grows each time the event is taken. */
  readonly token: number;
  readonly setAside: boolean;
  readonly error: string | null;
}

export interface StoredNotifier {
  readonly name: string;
  readonly kinds: readonly TaskEventKind[];
  readonly waiting: number;
  readonly setAside: number;
  /** `at` of the waiting event with the smallest `seq`. */
  readonly oldestAt: number | null;
}

/** How the delivery of an event ended. It counts only while the event has this token. */
export interface Settlement {
  readonly seq: number;
  readonly token: number;
  /**
   * `delete`: it is delivered. `setAside`: it is not taken until it is redelivered. `giveBack`: it
   * can be taken at once, and the attempt does not count. A number: it can be taken after so many
   * milliseconds.
   */
  readonly becomes: "delete" | "setAside" | "giveBack" | number;
  readonly error: string | null;
}

/**
 * The events that wait for notifiers. While a notifier is registered, each insert, each restored
 * task and each update that changes the revision adds an event of its kind (`eventKind`), in the
 * same atomic step. Events outlive their task. Without a notifier, writes must not cost more.
 */
export interface EventBackend {
  /**
   * Registers a notifier, or changes the kinds of one. Each change that begins after the answer has
   * its event.
   */
  register(name: string, kinds: readonly TaskEventKind[]): Promise<void>;
  /** Ends a registration and deletes its events. Returns whether there was one. */
  unregister(name: string): Promise<boolean>;
  registered(): Promise<StoredNotifier[]>;
  /**
   * Takes the first event of each task, the first due first, if it is due and not set aside. It can
   * be taken again when `leaseMs` have passed. `undefined` without a notifier of this name.
   */
  take(notifier: string, limit: number, leaseMs: number): Promise<StoredEvent[] | undefined>;
  settle(notifier: string, settlements: readonly Settlement[]): Promise<void>;
  /** Events by `seq`, those above `after`; with `setAside` only those that are set aside. */
  list(notifier: string, setAside: boolean, after: number, limit: number): Promise<StoredEvent[]>;
  /**
   * Lets events be taken that were set aside, with an attempt of 0: those of these ids, or all of
   * them (`null`). It may take many steps. Returns how many.
   */
  redeliver(notifier: string, ids: readonly string[] | null): Promise<number>;
}

/** The kind of a change after which the task has this status. */
export function eventKind({ status }: Pick<StoredTask, "status">, isNew: boolean): TaskEventKind {
  if (isNew) return "created";
  if (status === "working") return "progress";
  return status === "input_required" ? "input_required" : "end";
}
