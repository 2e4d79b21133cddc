import type { Capabilities } from "../contract/capabilities.ts";
import type { TaskStoreOptions } from "../contract/options.ts";
import type { TaskStore } from "../contract/task-store.ts";

/** The capabilities that a harness declares. A case is left out only if a capability is absent. */
export interface HarnessCapabilities extends Capabilities {
  /**
   * The harness can make the backend unreachable, so every place has an `outage`.
   * @default false
   */
  readonly outage?: boolean | undefined;
}

/** Only a case that fails waits this long, so it may be much more than a slow machine needs. */
export const DEFAULT_PATIENCE_MS = 10_000;

/** The object with which an author runs the suite against a backend. */
export interface Harness {
  /** The backend's name in the report. */
  readonly name: string;
  /** `durable` and `multiProcess` are those of the store. */
  readonly capabilities: HarnessCapabilities;
  /** Makes a new place without tasks: a database, schema, namespace or file of its own. */
  isolate(): Promise<Place>;
  /**
   * How long a case waits for an event that has to come "soon", in milliseconds of real time.
   * @default 10_000
   */
  readonly patienceMs?: number | undefined;
  /**
   * How long a case may block the event loop, in milliseconds. No timer can end such a case, so its
   * id is written to stderr, and the process is ended. `Infinity` = for ever, as under a debugger.
   * @default 60_000
   */
  readonly blockedMs?: number | undefined;
}

/** A set of tasks that is separate from those of other places. */
export interface Place {
  /**
   * Makes a store over this place's tasks. Stores of a place share nothing but the tasks, as stores
   * in two processes do. Without `durable`, the tasks have to be gone once every store of the place
   * was closed.
   */
  open(options?: TaskStoreOptions): TaskStore;
  /**
   * Moves the clock of the stores by this much. A clock of the harness has to start at the real
   * time and run on, because processes that the suite starts have the real time. Without it, the
   * suite waits, which is right for a database's clock.
   */
  advance?(ms: number): Promise<void>;
  /** How another process opens a store over this place's tasks. Required with `multiProcess`. */
  readonly remote?: RemoteDoor | undefined;
  /**
   * Makes the backend unreachable for stores that are open and for new ones. Required with
   * `outage`.
   */
  readonly outage?: { begin(): Promise<void>; end(): Promise<void> } | undefined;
  /** Removes the place with its tasks. The suite has closed every store before. */
  destroy(): Promise<void>;
}

export interface RemoteDoor {
  /**
   * File URL of a module that exports `open(argument, options): TaskStore | Promise<TaskStore>`.
   */
  readonly module: string;
  /** JSON. The argument of `open`. */
  readonly argument: unknown;
}
