import { ANY_OWNER, type Lease, type TaskRecord, type TaskStore, type WriteOptions } from "./contract.ts";
import { isTaskStoreError } from "./errors.ts";
import { type PollerSettings, tell } from "./poller-settings.ts";
import {
  asksAnew,
  checkRemote,
  hasMoved,
  inlinedOutcome,
  isUnknownTask,
  lostOutcome,
  peerError,
  pollIntervalOf,
  type RemoteOutcome,
  type RemoteReference,
  type RemoteTask,
  ttlEndOf,
  unstorableOutcome,
} from "./remote-task.ts";
import { isTerminal } from "./task.ts";
import type { FollowedTask } from "./task-poller.ts";

const IDLE_FACTOR = 1.2;
/** So many polls in a row have to fail for a task past its ttl to be given up: one may fail by chance. */
const LAST_FAILURES = 3;

/** What is kept of a task in the checkpoint of the local one. */
interface Learned {
  remote: RemoteTask;
  movedAt: string;
  stalled: boolean;
}

/** What a poller writes into the `context` of a local task. */
export interface Followable {
  reference: RemoteReference;
  /** As its creation returned it. */
  remote?: RemoteTask | undefined;
}

/** What a poller needs of a local task; `task` is absent for one that was just created. */
export type FollowedRecord = Pick<TaskRecord, "context" | "checkpoint"> & Partial<Pick<TaskRecord, "task">>;

/** The local task is not this poller's any more. */
export function isOver(error: unknown): boolean {
  return (
    isTaskStoreError(error) &&
    ["LEASE_LOST", "TASK_TERMINAL", "TASK_NOT_FOUND", "TASK_EXPIRED", "STORE_CLOSED"].includes(error.code)
  );
}

/** A remote task that this poller has the lease of. */
export class Followed {
  readonly taskId: string;
  lease: Lease;
  /** When the lease was taken or renewed last, by `performance.now()`. */
  leasedAt = performance.now();
  /** It ended, or is not this poller's any more. */
  over = false;
  /** When the last poll ended, by `performance.now()`. */
  polledAt = Number.NEGATIVE_INFINITY;
  readonly #store: TaskStore;
  readonly #settings: PollerSettings;
  readonly #reference: RemoteReference;
  #remote: RemoteTask | undefined;
  /** The message that the local task has. */
  #message: string | undefined;
  #movedAt: number;
  #stalled: boolean;
  /** It was read by this poller. */
  #read = false;
  /** Polls in a row that found nothing new. */
  #quiet = 0;
  /** Polls, and writes of the outcome, in a row that failed. */
  #failures = 0;
  /** What was learned is not stored yet. */
  #dirty = false;
  /** How it ended, until that is stored. */
  #outcome: RemoteOutcome | undefined;
  /** Ends the call under way. */
  #abort: AbortController | undefined;

  constructor(store: TaskStore, settings: PollerSettings, lease: Lease, { context, checkpoint, task }: FollowedRecord) {
    const { reference, remote } = context as unknown as Followable;
    const learned = checkpoint as Learned | undefined | null;
    this.taskId = lease.taskId;
    this.lease = lease;
    this.#store = store;
    this.#settings = settings;
    this.#reference = reference;
    this.#remote = learned?.remote ?? remote;
    this.#message = learned?.remote.statusMessage;
    const movedAt = learned?.movedAt ?? task?.createdAt;
    this.#movedAt = movedAt === undefined ? Date.now() : Date.parse(movedAt);
    this.#stalled = learned?.stalled ?? false;
  }

  get view(): FollowedTask {
    return {
      taskId: this.taskId,
      reference: this.#reference,
      remote: this.#remote,
      movedAt: new Date(this.#movedAt).toISOString(),
    };
  }

  /** Milliseconds that the remote wants between two polls, in the bounds of the settings. */
  get baseInterval(): number {
    const { intervalMs, minIntervalMs, maxIntervalMs } = this.#settings;
    return Math.min(Math.max(pollIntervalOf(this.#remote) ?? intervalMs, minIntervalMs), maxIntervalMs);
  }

  /** Milliseconds from the end of the last poll to the next. */
  get interval(): number {
    const { idleIntervalMs, errorIntervalMs } = this.#settings;
    const base = this.baseInterval;
    const longer =
      this.#failures > 0
        ? Math.min(base * 2 ** this.#failures, errorIntervalMs) * (1 - Math.random() / 2)
        : Math.min(base * IDLE_FACTOR ** this.#quiet, idleIntervalMs);
    return Math.max(base, longer);
  }

  /** Something is expected to have changed. */
  wake(): void {
    this.#quiet = 0;
  }

  /** Ends the call under way, and is of no effect from now on. */
  leave(reason: string): void {
    this.over = true;
    this.#abort?.abort(new DOMException(reason, "AbortError"));
  }

  /** One poll, and the writes that come of it. Never rejects. */
  async visit(): Promise<void> {
    this.#outcome ??= await this.#poll();
    if (this.over) return;
    if (this.#outcome) await this.#end(this.#outcome);
    else await this.#remember();
  }

  /** How the task ended, if it did. */
  async #poll(): Promise<RemoteOutcome | undefined> {
    try {
      // A task that ended is not polled again when only the fetching of its result failed.
      let remote = this.#read && this.#remote && isTerminal(this.#remote.status) ? this.#remote : undefined;
      if (!remote) {
        remote = checkRemote(await this.#call(this.#settings.poll));
        if (this.over) return undefined;
        this.#learn(remote);
      }
      return isTerminal(remote.status) ? await this.#outcomeOf(remote) : undefined;
    } catch (error) {
      if (this.over) return undefined;
      if (isUnknownTask(error)) return lostOutcome("unknown");
      this.#failures += 1;
      this.report(error);
      const givenUp = this.#failures >= LAST_FAILURES && Date.now() > ttlEndOf(this.#remote);
      return givenUp ? lostOutcome("unreachable") : undefined;
    } finally {
      this.polledAt = performance.now();
    }
  }

  #learn(remote: RemoteTask): void {
    const { onChange, onStalled, stalledAfterMs } = this.#settings;
    const now = Date.now();
    const moved = hasMoved(this.#remote, remote);
    const changed = moved || asksAnew(this.#remote, remote);
    const asks = !this.#read && remote.status === "input_required";
    this.#remote = remote;
    this.#read = true;
    this.#failures = 0;
    this.#quiet = changed ? 0 : this.#quiet + 1;
    if (moved) {
      this.#movedAt = now;
      this.#stalled = false;
    }
    const stalled = !moved && !this.#stalled && now - this.#movedAt >= stalledAfterMs;
    this.#stalled ||= stalled;
    this.#dirty ||= changed || stalled;
    if (changed || asks) tell(() => onChange?.(this.view, remote));
    if (stalled) tell(() => onStalled?.(this.view, remote));
  }

  async #outcomeOf(remote: RemoteTask): Promise<RemoteOutcome> {
    const { fetchResult } = this.#settings;
    const inlined = inlinedOutcome(remote);
    if (inlined) return inlined;
    const status = remote.status === "failed" ? "failed" : "completed";
    const { statusMessage } = remote;
    if (!fetchResult) return { status, statusMessage };
    try {
      return { status, statusMessage, result: await this.#call(fetchResult) };
    } catch (thrown) {
      const error = status === "failed" ? peerError(thrown) : undefined;
      if (!error) throw thrown;
      return { status: "failed", statusMessage, error };
    }
  }

  /** Calls the application, and waits no longer than it may take, whether or not it heeds the signal. */
  async #call<T>(call: (reference: RemoteReference, options: { signal: AbortSignal }) => T | Promise<T>): Promise<T> {
    const { timeoutMs } = this.#settings;
    const abort = new AbortController();
    const { signal } = abort;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    const late = new DOMException(`The remote did not answer within ${timeoutMs} ms`, "TimeoutError");
    const timer = setTimeout(() => abort.abort(late), timeoutMs);
    this.#abort = abort;
    try {
      return await Promise.race([aborted, (async () => call(this.#reference, { signal }))()]);
    } finally {
      clearTimeout(timer);
      this.#abort = undefined;
    }
  }

  /** Stores what was learned, if that is something new. */
  async #remember(): Promise<void> {
    const remote = this.#remote;
    if (!this.#dirty || !remote || isTerminal(remote.status)) return;
    const movedAt = new Date(this.#movedAt).toISOString();
    const checkpoint: Learned = { remote, movedAt, stalled: this.#stalled };
    const { status } = remote;
    const statusMessage = this.#said(remote.statusMessage);
    try {
      await this.#store.updateTask(this.taskId, { status, statusMessage, checkpoint }, this.#fence);
      this.#dirty = false;
      this.#message = statusMessage;
    } catch (error) {
      this.#refused(error);
      // It would be refused again; the next change may not be.
      if (isUnstorable(error)) this.#dirty = false;
    }
  }

  async #end(outcome: RemoteOutcome): Promise<void> {
    const { status, result, error } = outcome;
    const statusMessage = this.#said(outcome.statusMessage);
    try {
      if (error) await this.#store.finishTask(this.taskId, { status: "failed", error, statusMessage }, this.#fence);
      else if (result && status !== "cancelled")
        await this.#store.finishTask(this.taskId, { status, result, statusMessage }, this.#fence);
      else await this.#store.updateTask(this.taskId, { status, statusMessage }, this.#fence);
    } catch (refusal) {
      this.#failures += 1;
      this.#refused(refusal);
      if (isUnstorable(refusal)) this.#outcome = unstorableOutcome(refusal);
      return;
    }
    this.over = true;
    tell(() => this.#settings.onEnd?.(this.view, outcome));
  }

  /** The store keeps a message until there is another; one that the remote took back becomes empty. */
  #said(statusMessage: string | undefined): string | undefined {
    return statusMessage ?? (this.#message === undefined ? undefined : "");
  }

  get #fence(): WriteOptions {
    return { owner: ANY_OWNER, lease: this.lease };
  }

  #refused(error: unknown): void {
    if (isOver(error)) this.over = true;
    else this.report(error);
  }

  report(error: unknown): void {
    tell(() => this.#settings.onError(error, this.view));
  }
}

function isUnstorable(error: unknown): error is Error {
  return isTaskStoreError(error, "INVALID_ARGUMENT") || isTaskStoreError(error, "PAYLOAD_TOO_LARGE");
}
