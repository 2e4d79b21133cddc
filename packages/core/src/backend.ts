import type { TaskStatus } from "./task.ts";

/**
 * What a store can promise; frozen. A capability that is absent is the only reason for the conformance
 * suite to leave a case out, and some cases check that what is not promised is indeed not there.
 */
export interface Capabilities {
  /** Acknowledged writes survive the end of the process, `kill -9` included. */
  readonly durable: boolean;
  /** Several processes may use the same tasks at once. */
  readonly multiProcess: boolean;
}

/** Whose tasks a call may see. `null` = everyone's. */
export type OwnerScope = null | {
  /** Tasks of this owner; `null` = of no owner. */
  readonly owner: string | null;
  /** Tasks without an owner as well. */
  readonly orUnowned: boolean;
};

/** Parts of a task that may be large, and need to be read only when asked for; where they come along for nothing they do no harm. */
export type PayloadField = "request" | "inputs" | "checkpoint" | "outcome";

/**
 * A task as a backend keeps it. Times are milliseconds since the epoch by the backend's clock. Every string
 * is well-formed Unicode without NUL; `statusMessage` and the payloads are JSON texts, opaque to a backend.
 */
export interface StoredTask {
  readonly taskId: string;
  readonly owner: string | null;
  /** Tool name of a `tools/call`, otherwise the method: what `claim` selects by. */
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
  /** Fencing token; grows each time the lease is taken or given back. 0 = never taken. */
  readonly leaseToken: number;
  /** From then on anyone may take the lease; `null` once the task is terminal. */
  readonly leaseExpiresAt: number | null;
  /** Place in creation order: grows from task to task, gaps allowed. */
  readonly position: number;
  /** The backend's clock when this was read or written. */
  readonly readAt: number;
  readonly request?: string;
  readonly inputs?: string | null;
  readonly checkpoint?: string | null;
  readonly outcome?: string | null;
}

/** A task to insert. The backend adds the times, `position`, and the initial values (see `initialTask`). */
export interface NewTask {
  readonly taskId: string;
  readonly owner: string | null;
  readonly name: string;
  readonly ttl: number | null;
  readonly pollInterval: number | null;
  readonly request: string;
  /** Milliseconds after which the task may be claimed, unless a runner takes its lease before. */
  readonly claimAfterMs: number;
}

/** Most tasks that may be active (neither terminal nor expired) after an insert; `null` = no cap. */
export interface Caps {
  readonly activeTasks: number | null;
  readonly activeTasksPerOwner: number | null;
}

export type InsertOutcome =
  | { readonly inserted: StoredTask }
  | { readonly refused: "duplicate" | "activeTasks" | "activeTasksPerOwner" };

/** All that is given must hold, besides: the task exists, is not expired, and is not terminal. */
export interface Guard {
  readonly scope: OwnerScope;
  readonly revision?: number;
  readonly leaseToken?: number;
  /** The lease has lapsed or was never taken. */
  readonly leaseFree?: true;
}

/** What to change; what is absent stays. The effects on times, revision and expiry are those of `applyPatch`. */
export interface Patch {
  readonly status?: TaskStatus;
  readonly statusMessage?: string;
  readonly inputs?: string;
  readonly checkpoint?: string;
  readonly outcome?: string;
  readonly lease?: {
    /** `take`: new token, one more attempt. `renew`: same token. `release`: new token, so that the old one is void, and one attempt less. */
    readonly action: "take" | "renew" | "release";
    /** The lease lapses this many milliseconds from now. */
    readonly durationMs: number;
  };
}

/** The task after the change; or, when the guard did not hold, as it is (absent = no such task, or expired). */
export type UpdateOutcome =
  | { readonly applied: true; readonly task: StoredTask }
  | { readonly applied: false; readonly task: StoredTask | undefined };

export interface ListQuery {
  readonly scope: OwnerScope;
  /** Only tasks with a larger `position`; `null` = from the first one. */
  readonly after: number | null;
  readonly limit: number;
}

export interface ClaimQuery {
  /** Names of which a task may be taken; at least one. */
  readonly names: readonly string[];
  readonly durationMs: number;
}

export type PushOutcome = { readonly pushed: true } | { readonly pushed: false; readonly size: number };

/**
 * What the author of a backend writes: storage, and one atomic step per write. The rules are in core; `rules.ts`
 * has them as pure functions (`guardHolds`, `applyPatch`, `isExpired`, `isClaimable`, ...), to be called or to be
 * said again in the database's language. The conformance suite tells whether they were said right.
 *
 * Core calls `open` first and until it succeeds, and nothing after `close`. Reads must see every write that was
 * acknowledged before, by any handle. An expired task (`isExpired`) does not exist for any method. Reject with the
 * driver's error, or with a `TaskStoreError` where its code says more than `BACKEND_UNAVAILABLE`, within bounded time.
 *
 * Deliberately not here: owners' visibility of errors, cursors, waiting, retries, JSON. Core does those.
 */
export interface TaskBackend {
  readonly capabilities: Capabilities;
  /** Connects and migrates. `storeId` is random, made once for a set of tasks, and the same in every process that shares it. */
  open(): Promise<{ storeId: string }>;
  /** Adds a task, unless its id exists or a cap is reached: check and insert are one step. */
  insert(task: NewTask, caps: Caps): Promise<InsertOutcome>;
  /** The task if it is in scope, with these payloads. */
  read(taskId: string, scope: OwnerScope, payloads: readonly PayloadField[]): Promise<StoredTask | undefined>;
  /** Those of the tasks that exist, in any order, without payloads. Core asks for up to 500 at once. */
  readMany(taskIds: readonly string[]): Promise<StoredTask[]>;
  /** Checks the guard and applies the patch in one step; if it is applied, in one round trip. The task comes back without payloads. */
  update(taskId: string, guard: Guard, patch: Patch): Promise<UpdateOutcome>;
  /** Tasks by `position`, without payloads. The cost must not depend on how many tasks exist. */
  list(query: ListQuery): Promise<StoredTask[]>;
  /** Takes the lease of the claimable task whose lease lapsed first, in one step; no task goes to two callers. It comes back with its payloads. */
  claim(query: ClaimQuery): Promise<StoredTask | undefined>;
  /** Deletes expired tasks and expired messages, at most `limit` of each. Returns how many it deleted. */
  deleteExpired(limit: number): Promise<number>;
  /** Adds a message at the end of the task's queue, unless it holds `maxSize` already: one step. The task need not exist. */
  push(taskId: string, message: string, maxSize: number | null, ttl: number): Promise<PushOutcome>;
  /** Takes up to `limit` unexpired messages (`null` = all) from the front; no message goes to two callers. */
  shift(taskId: string, limit: number | null): Promise<string[]>;
  /**
   * Calls `onChange` soon after each committed insert or update that changed the revision, made by any handle in any
   * process, this one included; without a task id when it cannot tell which tasks changed. The promise resolves when no later change can be missed, to a
   * function that stops it. Core calls it once at a time, and only while somebody waits.
   */
  listen(onChange: (taskId?: string) => void): Promise<() => Promise<void>>;
  /** Ends what `open` and `listen` started, and closes only connections that this backend opened. */
  close(): Promise<void>;
}
