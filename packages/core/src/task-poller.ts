import type { TaskStore, WaitOptions } from "./contract.ts";
import { Poller } from "./poller.ts";
import type { RemoteOutcome, RemoteReference, RemoteTask } from "./remote-task.ts";
import type { Result } from "./task.ts";

/** A remote task that is followed. */
export interface FollowedTask {
  /** Of the local task that stands for it. */
  readonly taskId: string;
  readonly reference: RemoteReference;
  /** As last read; `undefined` if it never was. */
  readonly remote: RemoteTask | undefined;
  /** When the poller first saw the task as it is now; ISO 8601, by the clock of this process. */
  readonly movedAt: string;
}

export interface PollerOptions {
  /**
   * Performs `tasks/get` on the right connection. An error with the `code` -32602 means that the server does not know the task, and ends it;
   * any other is reported to `onError`, and the task is polled again.
   */
  poll: (reference: RemoteReference, options: { signal: AbortSignal }) => RemoteTask | Promise<RemoteTask>;
  /**
   * Performs `tasks/result` (2025-11-25) once a task is `completed` or `failed` and did not bring its result. For a failed task, the JSON-RPC error that it
   * rejects with is the outcome: a `JsonRpcError`, or any error with a `code` from -32768 to -32002. Other errors are treated as those of `poll`.
   * Default: the outcome has no result.
   */
  fetchResult?:
    | ((reference: RemoteReference, options: { signal: AbortSignal }) => Result | Promise<Result>)
    | undefined;
  /**
   * Told of each new state, before it is stored: the status, the message, `lastUpdatedAt` or the questions changed. After a restart, told again of a
   * task that waits for input, since whoever was asked may be gone.
   */
  onChange?: ((task: FollowedTask, remote: RemoteTask) => void) | undefined;
  /** Told once of each outcome that this poller stored. */
  onEnd?: ((task: FollowedTask, outcome: RemoteOutcome) => void) | undefined;
  /** Told once of each time that a task does not move for `stalledAfterMs`, though it can be read. It is polled on. */
  onStalled?: ((task: FollowedTask, remote: RemoteTask) => void) | undefined;
  /** Milliseconds without a new status, message or `lastUpdatedAt`. Default 600,000 (ten minutes). */
  stalledAfterMs?: number | undefined;
  /** Told of polls that failed, with the task, and of failures of the local store; the poller goes on. Default: a process warning. */
  onError?: ((error: unknown, task: FollowedTask | undefined) => void) | undefined;
  /** Polls under way at once. Default 16. */
  concurrency?: number | undefined;
  /** Milliseconds after which a poll, or the fetching of a result, is given up. Default 30,000. */
  timeoutMs?: number | undefined;
  /** Milliseconds between polls of a task whose server asks for no interval. Default 1,000. */
  intervalMs?: number | undefined;
  /** A shorter interval than that many milliseconds is raised to it. Default 100. */
  minIntervalMs?: number | undefined;
  /** A longer interval than that many milliseconds is lowered to it. Default 3,600,000 (an hour). */
  maxIntervalMs?: number | undefined;
  /**
   * Each poll that finds nothing new makes the task's interval a fifth longer, up to that many milliseconds; a change ends it. A longer interval that
   * the server asked for stays as it is. 0 = never longer. Default 30,000.
   */
  idleIntervalMs?: number | undefined;
  /** Each failed poll doubles the task's interval, up to that many milliseconds, less a random part of at most half. Default 60,000. */
  errorIntervalMs?: number | undefined;
  /**
   * Milliseconds for which a task stays with a poller that died; it is renewed by one write in half of that time. Default 120,000.
   */
  leaseMs?: number | undefined;
  /** Milliseconds between looks for tasks that no poller follows. Default 1,000. */
  claimMs?: number | undefined;
  /** Of the local tasks; pollers of different names on one store know nothing of one another. Default `tasks/get`. */
  name?: string | undefined;
}

export interface FollowOptions {
  /** The task as its creation returned it: it is then polled after its interval, instead of at once. */
  task?: RemoteTask | undefined;
  /** Milliseconds to keep the local task: since it ended, and while no poller runs. `null` = for ever. Default: the store's `limits.ttl.default`. */
  ttl?: number | null | undefined;
}

/** Follows remote tasks until they end. */
export interface TaskPoller extends AsyncDisposable {
  /**
   * Follows a remote task, and remembers that in the local store before it resolves. To follow it again changes nothing, in whichever process, also after its
   * end. Returns the id of the local task that stands for it.
   * @throws `INVALID_ARGUMENT` for a reference that is no JSON, and once the poller is stopped; as `createTask`
   * @see SEP-2663, "Task Polling": clients should persist task ids
   */
  follow(reference: RemoteReference, options?: FollowOptions): Promise<string>;
  /**
   * Waits for the end of a task, whichever process polls it.
   * @param taskId Of the local task.
   * @throws `TASK_NOT_FOUND`, `TASK_EXPIRED`, `STORE_CLOSED`, a `TimeoutError`, the reason of `signal`
   */
  wait(taskId: string, options?: Omit<WaitOptions, "owner">): Promise<RemoteOutcome>;
  /**
   * Polls a task without the delay that it got for being idle or for failed polls: after `tasks/update`, say, or a notification.
   * The interval that the server asked for is kept. Does nothing for a task that this poller does not poll.
   */
  refresh(taskId: string): void;
  /**
   * Polls the task no more. The local task becomes `cancelled`, for good; the remote one is left alone. Another process that polls it
   * stops when it next writes, at the latest after half of `leaseMs`.
   * @throws `TASK_NOT_FOUND`
   */
  unfollow(taskId: string): Promise<void>;
  /** Ends the polls under way and gives the tasks to other pollers at once. The local store stays open. */
  stop(): Promise<void>;
}

/**
 * Follows remote tasks, of servers of either generation, on one schedule: polls each at the interval that its server asks for, stores in
 * the local store what it learns, and ends at a terminal status. The local store has a task for each, with its status and message and in
 * the end its result or JSON-RPC error.
 *
 * Every unfinished task of the store that no living poller has is taken up: after a restart nothing has to be followed again. Pollers that share a store share
 * the tasks: each is polled by one of them. A poller keeps its process alive until it is stopped.
 *
 * @param store A durable one, if the tasks are to survive a restart.
 * @throws TaskStoreError `INVALID_ARGUMENT` for options that cannot be right
 * @see MCP 2025-11-25, Tasks, "Polling"; SEP-2663, "Task Polling"
 */
export function startPoller(store: TaskStore, options: PollerOptions): TaskPoller {
  return new Poller(store, options);
}
