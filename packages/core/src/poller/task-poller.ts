import type { WaitOptions } from "../contract/options.ts";
import type { Result } from "../contract/task.ts";
import type { RemoteOutcome, RemoteReference, RemoteTask } from "./remote-task.ts";

/** A remote task that a poller follows. */
export interface FollowedTask {
  /** The id of the local task that stands for it. */
  readonly taskId: string;
  readonly reference: RemoteReference;
  /** The task as it was last read. `undefined` before the first poll. */
  readonly remote: RemoteTask | undefined;
  /** When the poller first saw the present state. ISO 8601, by the clock of this process. */
  readonly movedAt: string;
}

export interface PollerOptions {
  /**
   * Performs `tasks/get` on the right connection. An error with the `code` -32602 means that the
   * server does not know the task, and ends it. Any other error goes to `onError`, and the poller
   * tries again.
   */
  poll: (reference: RemoteReference, options: { signal: AbortSignal }) => RemoteTask | Promise<RemoteTask>;
  /**
   * Performs `tasks/result` (2025-11-25) once a task is `completed` or `failed`, unless `poll`
   * returned its result. For a failed task, a rejection with a JSON-RPC error is the outcome: a
   * `JsonRpcError`, or any error with a `code` from -32768 to -32002. The poller treats other
   * errors as those of `poll`.
   * @default the outcome has no result
   */
  fetchResult?:
    | ((reference: RemoteReference, options: { signal: AbortSignal }) => Result | Promise<Result>)
    | undefined;
  /**
   * Called with each new state before it is stored. A state is new if the status, the message,
   * `lastUpdatedAt` or the questions changed. After a restart, it is called again for a task that
   * waits for input, because the user who was asked may be gone.
   */
  onChange?: ((task: FollowedTask, remote: RemoteTask) => void) | undefined;
  /** Called once with each outcome that this poller stored. */
  onEnd?: ((task: FollowedTask, outcome: RemoteOutcome) => void) | undefined;
  /**
   * Called once each time that a task can be read but has not changed for `stalledAfterMs`. The
   * poller goes on polling it.
   */
  onStalled?: ((task: FollowedTask, remote: RemoteTask) => void) | undefined;
  /**
   * Milliseconds without a new status, message or `lastUpdatedAt`, after which a task has stalled.
   * @default 600_000
   */
  stalledAfterMs?: number | undefined;
  /**
   * Called with the error and the task of each failed poll, and with each failure of the local
   * store. The poller goes on.
   * @default a process warning
   */
  onError?: ((error: unknown, task: FollowedTask | undefined) => void) | undefined;
  /**
   * How many polls run at once.
   * @default 16
   */
  concurrency?: number | undefined;
  /**
   * Milliseconds after which the poller gives up a call of `poll` or `fetchResult`.
   * @default 30_000
   */
  timeoutMs?: number | undefined;
  /**
   * Milliseconds between polls of a task whose server asks for no interval.
   * @default 1_000
   */
  intervalMs?: number | undefined;
  /**
   * Lower bound for the interval of a task, in milliseconds.
   * @default 100
   */
  minIntervalMs?: number | undefined;
  /**
   * Upper bound for the interval of a task, in milliseconds.
   * @default 3_600_000
   */
  maxIntervalMs?: number | undefined;
  /**
   * Each poll that finds nothing new makes the task's interval a fifth longer, up to this many
   * milliseconds. A change resets it. A longer interval that the server asked for stays as it is. 0
   * turns this off.
   * @default 30_000
   */
  idleIntervalMs?: number | undefined;
  /**
   * Each failed poll doubles the task's interval, up to this many milliseconds, less a random part
   * of at most half.
   * @default 60_000
   */
  errorIntervalMs?: number | undefined;
  /**
   * Milliseconds for which a task stays with a poller that died. A live poller renews the lease
   * with one write in half of that time.
   * @default 120_000
   */
  leaseMs?: number | undefined;
  /**
   * Milliseconds between claims of tasks that no poller follows.
   * @default 1_000
   */
  claimPollMs?: number | undefined;
  /**
   * Name of the local tasks. Pollers of different names on one store ignore each other's tasks.
   * @default "tasks/get"
   */
  name?: string | undefined;
}

export interface FollowOptions {
  /**
   * The task as the call that created it returned it. The first poll then comes after the task's
   * interval, instead of at once.
   */
  task?: RemoteTask | undefined;
  /**
   * Milliseconds to keep the local task after it ended, and while no poller runs. `null` = for
   * ever.
   * @default the store's `limits.ttl.default`
   */
  ttl?: number | null | undefined;
}

/** Follows remote tasks until they end. */
export interface TaskPoller extends AsyncDisposable {
  /**
   * Follows a remote task. The local store has it when the call resolves. A second call for the
   * same task changes nothing, in any process, even after the task ended. Returns the id of the
   * local task that stands for it.
   * @throws `INVALID_ARGUMENT` for a reference that is not JSON, and once the poller is stopped;
   * the errors of `createTask`
   * @see SEP-2663, "Task Polling": clients should persist task ids
   */
  follow(reference: RemoteReference, options?: FollowOptions): Promise<string>;
  /**
   * Waits for the end of a task, whichever process polls it.
   * @param taskId Of the local task.
   * @throws `TASK_NOT_FOUND`, `TASK_EXPIRED`, `STORE_CLOSED`, a `TimeoutError`, the reason of
   * `signal`
   */
  wait(taskId: string, options?: Omit<WaitOptions, "owner">): Promise<RemoteOutcome>;
  /**
   * Ends the delay that a task has from idle or failed polls. Call it after `tasks/update` or a
   * notification, for instance. The interval that the server asked for still holds. Does nothing
   * for a task that this poller does not poll.
   */
  refresh(taskId: string): void;
  /**
   * Stops polling the task. The local task becomes `cancelled` for good. The remote task goes on.
   * Another process that polls it stops at its next write, at the latest after half of `leaseMs`.
   * @throws `TASK_NOT_FOUND`
   */
  unfollow(taskId: string): Promise<void>;
  /**
   * Aborts the polls under way, and releases the tasks so that other pollers can take them at once.
   * The local store stays open.
   */
  stop(): Promise<void>;
}
