import type { TaskStatus } from "../contract/task.ts";
import type { PayloadField, StoredTask } from "./stored-task.ts";

/** From `from` on, and before `before`; `null` = without bound. */
export interface Bounds {
  readonly from: number | null;
  readonly before: number | null;
}

/** Conditions on tasks; all given ones must hold. */
export interface SearchFilter {
  readonly statuses?: readonly TaskStatus[];
  readonly names?: readonly string[];
  /** `null` = without owner. */
  readonly owners?: readonly (string | null)[];
  readonly idPrefix?: string;
  readonly created?: Bounds;
  readonly updated?: Bounds;
  readonly attempts?: Bounds;
  /** Tasks that are stuck: see `stuckReason`. */
  readonly stuck?: { readonly overdueMs: number; readonly waitingMs: number };
  /** Texts that the JSON of a payload contains. */
  readonly texts?: readonly { readonly field: PayloadField; readonly text: string }[];
}

export interface SearchQuery {
  readonly filter: SearchFilter;
  /** By `position`. */
  readonly order: "newest" | "oldest";
  /** Only tasks beyond this position, in the order; `null` = from the beginning. */
  readonly after: number | null;
  /** Most tasks to return. */
  readonly limit: number;
  /** Most tasks to look at. */
  readonly scan: number;
  readonly payloads: readonly PayloadField[];
}

export interface SearchPage {
  /** In the order of the query. */
  readonly tasks: readonly StoredTask[];
  /** How many tasks were looked at. */
  readonly scanned: number;
  /** The position to go on after; `null` = there are no more tasks. */
  readonly next: number | null;
}
