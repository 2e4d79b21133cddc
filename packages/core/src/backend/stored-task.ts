import type { TaskStatus } from "../contract/task.ts";

/** In the order in which core asks for them, so that a backend sees few combinations. */
export const PAYLOAD_FIELDS = ["request", "inputs", "checkpoint", "outcome"] as const;

/**
 * Parts of a task that may be large. A backend has to return those that core asks for, and may
 * return others.
 */
export type PayloadField = (typeof PAYLOAD_FIELDS)[number] | "history";

/**
 * A task as a backend keeps it. Times are milliseconds since the epoch by the backend's clock.
 * Every string is well-formed Unicode without NUL; `statusMessage` and the payloads are JSON texts,
 * opaque to a backend.
 */
export interface StoredTask {
  readonly taskId: string;
  readonly owner: string | null;
  /** Tool name of a `tools/call`, otherwise the method. `claim` selects by it. */
  readonly name: string;
  readonly status: TaskStatus;
  readonly statusMessage: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly ttl: number | null;
  /** When the task is gone; `null` = never. Kept by `applyPatch`. */
  readonly expiresAt: number | null;
  readonly pollInterval: number | null;
  /** Starts at 1 and grows by 1 with each change that a reader can see. */
  readonly revision: number;
  /** How many runners have taken the lease and not given it back. */
  readonly attempt: number;
  /**
   * Fencing token; grows each time the lease is taken or given back, see `applyPatch`. 0 = never
   * taken, even = given back.
   */
  readonly leaseToken: number;
  /** From this time on, any runner may take the lease; `null` once the task is terminal. */
  readonly leaseExpiresAt: number | null;
  /** Place in creation order: grows from task to task, gaps allowed. */
  readonly position: number;
  /** The backend's clock when this was read or written. */
  readonly readAt: number;
  readonly request?: string;
  readonly inputs?: string | null;
  readonly checkpoint?: string | null;
  readonly outcome?: string | null;
  /** What happened to the task, for operators: see `appendHistory`. */
  readonly history?: string | null;
}
