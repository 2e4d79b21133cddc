import type { Capabilities } from "../backend.ts";
import type { TaskStore, TaskStoreOptions } from "../contract.ts";

/** What a harness declares: that a capability is absent is the only reason to leave a case out. */
export interface HarnessCapabilities extends Capabilities {
  /** The backend can become unreachable, and the harness can bring that about: every place has an `outage`. Default false. */
  readonly outage?: boolean | undefined;
}

/** Only what never comes takes as long, so it may be much more than a slow machine needs. */
export const DEFAULT_PATIENCE_MS = 10_000;

/** What the author of a backend writes, so that the suite can run against it. */
export interface Harness {
  /** For the report. */
  readonly name: string;
  /** `durable` and `multiProcess` are those of the store. */
  readonly capabilities: HarnessCapabilities;
  /** A new place without any task: a database, schema, namespace or file of its own. */
  isolate(): Promise<Place>;
  /** Longest wait for what has to happen "soon", in milliseconds of real time. Default 10,000. */
  readonly patienceMs?: number | undefined;
}

/** A set of tasks that no other place sees. */
export interface Place {
  /**
   * A store over this place's tasks. Each is as good as one in another process: nothing but the tasks may be shared. What
   * is not durable has to be gone once every store of the place was closed.
   */
  open(options?: TaskStoreOptions): TaskStore;
  /**
   * Moves the clock of the stores by this much. A clock of the harness's own has to run on from the real time, since
   * processes that the suite starts have that. Default: waits, which is right for a database's clock.
   */
  advance?(ms: number): Promise<void>;
  /** How another process opens a store over this place's tasks. Required with `multiProcess`. */
  readonly remote?: RemoteDoor | undefined;
  /** Makes the backend unreachable for stores that are open and for new ones. Required with `outage`. */
  readonly outage?: { begin(): Promise<void>; end(): Promise<void> } | undefined;
  /** Removes the tasks and all that belongs to them. Every store was closed before. */
  destroy(): Promise<void>;
}

export interface RemoteDoor {
  /** File URL of a module that exports `open(argument, options): TaskStore | Promise<TaskStore>`. */
  readonly module: string;
  /** JSON; goes to `open`. */
  readonly argument: unknown;
}
