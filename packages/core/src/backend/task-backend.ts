import type { Capabilities } from "../contract/capabilities.ts";
import type { TaskStatus } from "../contract/task.ts";
import type { Answer } from "./answer.ts";
import type { EventBackend } from "./event-backend.ts";
import type { Rewrite } from "./rewrites.ts";
import type { SearchPage, SearchQuery } from "./search-query.ts";
import type { PayloadField, StoredTask } from "./stored-task.ts";

/** Whose tasks a call may see. `null` = everyone's. */
export type OwnerScope = null | {
  /** Tasks of this owner; `null` = of no owner. */
  readonly owner: string | null;
  /** Tasks without an owner as well. */
  readonly orUnowned: boolean;
};

/**
 * A task to insert. The backend adds the times, `position`, and the initial values (see
 * `initialTask`).
 */
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

/**
 * Most tasks that may be active (neither terminal nor expired) after an insert; `null` = no cap.
 */
export interface Caps {
  readonly activeTasks: number | null;
  readonly activeTasksPerOwner: number | null;
}

export type InsertOutcome =
  | { readonly inserted: StoredTask }
  | { readonly refused: "duplicate" | "activeTasks" | "activeTasksPerOwner" };

/**
 * The conditions of a write. All given ones must hold, and the task must exist and be neither
 * expired nor terminal.
 */
export interface Guard {
  readonly scope: OwnerScope;
  readonly revision?: number;
  readonly leaseToken?: number;
  /** The lease has lapsed or was never taken. */
  readonly leaseFree?: true;
  /** The task is terminal, and not active as for other writes. The patch has a history only. */
  readonly ended?: true;
}

/**
 * The fields to change. Absent fields stay. Times, revision and expiry change as in `applyPatch`.
 */
export interface Patch {
  readonly status?: TaskStatus;
  readonly statusMessage?: string;
  readonly inputs?: string;
  readonly checkpoint?: string;
  readonly outcome?: string;
  readonly lease?: {
    /**
     * `take`: new token, one more attempt. `renew`: same token. `release`: new token, so that the
     * old one is void, and one attempt less. A token is odd from a take to a release. A take's
     * comes from the time, too, and so differs from that of a take that a failover lost.
     */
    readonly action: "take" | "renew" | "release";
    /** The lease lapses this many milliseconds from now. */
    readonly leaseMs: number;
  };
  /** A line to append to the history, without a line break: see `appendHistory`. */
  readonly history?: string | undefined;
  /**
   * A step to keep with the task, apart from its other steps; it replaces the one of its name. Only
   * for backends with `stepsOf`.
   */
  readonly step?: Step | undefined;
}

/** A step of a task. The name may be empty; the body is a payload. */
export interface Step {
  readonly name: string;
  readonly body: string;
}

/**
 * The task after the change, or the unchanged task if the guard did not hold. It is absent if the
 * task does not exist, has expired, or is out of scope. Put the owner into the statement, so that a
 * foreign id takes about as long as an unknown one.
 */
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
  readonly leaseMs: number;
  /** Most tasks to take; at least 1. */
  readonly limit: number;
  /** A line to append to the history of each task. */
  readonly history?: string | undefined;
}

/** A claim of tasks of one name, of which only so many may run at once. */
export interface LimitedClaimQuery extends Omit<ClaimQuery, "names"> {
  readonly name: string;
  /** Most tasks of the name that may run after the claim; `null` = no limit. */
  readonly running: number | null;
  /** Most of them that may have the same owner; `null` = no limit. */
  readonly runningPerOwner: number | null;
}

export interface DeletionStep {
  /** How many tasks and messages the step deleted. */
  readonly deleted: number;
  /** Whether further expired tasks or messages may be left. */
  readonly more: boolean;
}

/** A task to write as it is, with its messages in their order. */
export interface RestoredTask extends Omit<Required<StoredTask>, "position" | "readAt"> {
  readonly messages: readonly { readonly message: string; readonly expiresAt: number }[];
  readonly steps: readonly Step[];
}

/** The part of a task that a signal may carry, after the change. See `aboutChange`. */
export interface ChangedTask extends Pick<StoredTask, "owner" | "name" | "status"> {
  /** Whether a claim may take the task. */
  readonly claimable: boolean;
}

export type OnChange = (taskId?: string, about?: ChangedTask) => void;

/** What core offers to a backend. */
export interface BackendHost {
  /** Reports a failure that no call can reject with. Never throws. */
  report(error: unknown): void;
  /** The caps that the store gives to each `insert`, for a backend that prepares for them. */
  readonly caps?: Caps;
}

export type PushOutcome = { readonly pushed: true } | { readonly pushed: false; readonly size: number };

/**
 * The interface that an author of a backend implements: storage, with one atomic step per write.
 * Core has the rules, as pure functions in `rules.ts` (`guardHolds`, `applyPatch`, `isExpired`,
 * `isClaimable`, ...). Call them, or repeat them in the database's language. The conformance suite
 * proves that they agree.
 *
 * Core calls `open` first, again until it succeeds, and nothing after `close`.
 * - A read sees every write that any handle acknowledged before.
 * - An expired task (`isExpired`) does not exist for any method.
 * - Every method settles within bounded time. It rejects with the driver's error, or with a
 *   `TaskStoreError` where its code says more than `BACKEND_UNAVAILABLE`.
 * - The backend repeats a step that the database asks to repeat (a deadlock, a serialization
 *   failure).
 * - Ids, owners and names have up to `MAX_KEY_LENGTH` UTF-16 code units. Compare them code unit by
 *   code unit.
 *
 * `insert`, `read` and `update` may answer at once, without a promise. That is faster in memory.
 *
 * Core does the rest: which errors an owner sees, cursors, waiting, JSON, and repeating a write
 * that another write overtook.
 */
export interface TaskBackend {
  readonly capabilities: Capabilities;
  /**
   * The backend keeps tasks in this process, passes payloads on, and never reads or changes them.
   * Core then gives it copies of the values in place of their JSON texts, under the same types, and
   * copies them again before a caller gets them. A value that has to be text still comes as text.
   * @default JSON texts alone
   */
  readonly keepsObjects?: true;
  /**
   * Connects and migrates. `storeId` is random, made once for a set of tasks, and the same in every
   * process that shares it.
   */
  open(host: BackendHost): Promise<{ storeId: string }>;
  /** Adds a task, unless its id exists or a cap is reached: check and insert are one step. */
  insert(task: NewTask, caps: Caps): Answer<InsertOutcome>;
  /** The task if it is in scope, with these payloads. */
  read(taskId: string, scope: OwnerScope, payloads: readonly PayloadField[]): Answer<StoredTask | undefined>;
  /**
   * Returns the tasks that exist, in any order, with these payloads. Core asks for up to 500 at
   * once, and for up to 100 with payloads.
   */
  readMany(taskIds: readonly string[], payloads: readonly PayloadField[]): Promise<StoredTask[]>;
  /**
   * Checks the guard and applies the patch in one step: no other write comes between. The backend
   * chooses the number of round trips; one is fastest. The task comes back without payloads.
   */
  update(taskId: string, guard: Guard, patch: Patch): Answer<UpdateOutcome>;
  /** Tasks by `position`, without payloads. The cost must not depend on how many tasks exist. */
  list(query: ListQuery): Promise<StoredTask[]>;
  /**
   * Takes the leases of claimable tasks in one step. The task whose lease lapsed first comes first;
   * after it, tasks of the same name may come before others. No task goes to two callers. The tasks
   * come back with their payloads.
   */
  claim(query: ClaimQuery): Promise<StoredTask[]>;
  /**
   * Like `claim`, for one name with limits. A task runs, as long as it is under the lease that a
   * limited claim gave it: the token is the same, the lease has not lapsed, and the task is not
   * terminal. Count and claim are one step, so a limit of N never yields N+1.
   *
   * Owners take turns: of those that have claimable tasks and are below their limit, each gets one
   * task before any of them gets another. The backend keeps by name whose turn it is. Of an owner's
   * tasks, the one whose lease lapsed first comes first.
   * @default claims with limits are refused
   */
  claimLimited?(query: LimitedClaimQuery): Promise<StoredTask[]>;
  /**
   * One bounded step: deletes expired tasks and expired messages, at most `limit` of each, and
   * fewer if other writers would wait for too long. Core repeats the step while `more` is true.
   */
  deleteExpired(limit: number): Promise<DeletionStep>;
  /**
   * Adds a message at the end of the task's queue, unless it holds `maxSize` already: one step. The
   * task need not exist.
   */
  push(taskId: string, message: string, maxSize: number | null, ttl: number): Promise<PushOutcome>;
  /**
   * Takes up to `limit` unexpired messages (`null` = all) from the front; no message goes to two
   * callers.
   */
  shift(taskId: string, limit: number | null): Promise<string[]>;
  /**
   * Calls `onChange` soon after each committed insert or update that changed the revision, made by
   * any handle in any process, this one included; without a task id when it cannot tell which tasks
   * changed. A signal that says more (`aboutChange`) saves core a read. The promise resolves when
   * no later change can be missed, to a function that stops it. Core keeps one listener at a time,
   * and only while a call waits.
   */
  listen(onChange: OnChange): Promise<() => Promise<void>>;
  /**
   * Like `listen`, but need not signal a change after which the task cannot be claimed. For
   * backends where hearing of fewer changes costs less. Core calls it while workers wait for tasks
   * and no caller waits for more; it may overlap with `listen`.
   * @default `listen` is called
   */
  listenForClaims?(onChange: OnChange): Promise<() => Promise<void>>;
  /**
   * Finds tasks for operators, expired ones left out. It may ignore conditions of the filter: core
   * checks them again (`matchesFilter`). Give it an index for active and for failed tasks.
   * @default `searchByList`, which looks at every task by `list`
   */
  search?(query: SearchQuery): Promise<SearchPage>;
  /**
   * Deletes those of these tasks that are terminal, with their messages, and returns their ids.
   * @default operators cannot remove tasks
   */
  remove?(taskIds: readonly string[]): Promise<string[]>;
  /**
   * Adds names to the paused ones or takes them away, in one step, and returns all that are paused.
   * `claim` takes no task of a paused name.
   * @default operators cannot pause claims
   */
  pauses?(change: { readonly pause: readonly string[]; readonly resume: readonly string[] }): Promise<string[]>;
  /**
   * Writes tasks as they are, with new positions in this order, and returns the ids of those whose
   * id did not exist. The others stay.
   * @default operators cannot import tasks
   */
  restore?(tasks: readonly RestoredTask[]): Promise<string[]>;
  /**
   * The messages of these tasks, each queue in its order, which stay where they are.
   * @default exported tasks have no messages
   */
  messagesOf?(taskIds: readonly string[]): Promise<{ taskId: string; message: string; expiresAt: number }[]>;
  /**
   * The steps of these tasks, in any order. They end with their task.
   * @default runs of tasks have no steps, and failed attempts are not retried
   */
  stepsOf?(taskIds: readonly string[]): Promise<({ taskId: string } & Step)[]>;
  /**
   * Replaces stored texts of a task by other forms of the same values, each only where the text is
   * still `from`, so that no write of another caller is undone. Nothing else changes: no time, no
   * revision, no expiry. No signal is sent, and no event is added. Each field comes once, but for
   * messages; of equal messages, all are replaced. Returns for each text whether it was replaced.
   * @default payloads cannot be encoded anew
   */
  rewrite?(taskId: string, texts: readonly Rewrite[]): Promise<boolean[]>;
  /**
   * A position up to which no task can appear any more: those that have smaller ones are committed,
   * or never will be. An export that follows new tasks goes up to there.
   * @default the last position, for backends that commit in the order of positions
   */
  settled?(): Promise<number>;
  /**
   * Keeps the events of changes until notifiers have delivered them.
   * @default no notifier can be started
   */
  readonly events?: EventBackend;
  /**
   * Ends what `open` and `listen` started, and closes only connections that this backend opened.
   */
  close(): Promise<void>;
}
