import { isOver, isUnstorable, type LeasedTask } from "../contract/leased-task.ts";
import type { TaskRecord } from "../contract/record.ts";
import { isTerminal } from "../contract/task.ts";
import { deadline, onAbort } from "../process/aborts.ts";
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
import type { PollerSettings } from "./settings.ts";
import type { FollowedTask } from "./task-poller.ts";

const IDLE_FACTOR = 1.2;
/**
 * How many polls in a row have to fail before the poller gives up a task past its ttl. A single
 * poll may fail by chance.
 */
const LAST_FAILURES = 3;

/** The poller's knowledge of a remote task. The local task's checkpoint holds it. */
interface Learned {
  remote: RemoteTask;
  movedAt: string;
  stalled: boolean;
}

/** The `context` that a poller gives to a local task. */
export interface Followable {
  reference: RemoteReference;
  /** The remote task as the call that created it returned it. */
  remote?: RemoteTask | undefined;
}

/**
 * The fields of a local task that a poller needs; `task` is absent if the task was just created.
 */
export type FollowedRecord = Pick<TaskRecord, "context" | "checkpoint"> & Partial<Pick<TaskRecord, "task">>;

/** A remote task whose local task this poller has leased. */
export class Followed {
  readonly taskId: string;
  leased: LeasedTask;
  /** When the lease was taken or renewed last, by `performance.now()`. */
  leasedAt = performance.now();
  /** The task ended, or this poller no longer follows it. */
  over = false;
  /** When the last poll ended, by `performance.now()`. */
  polledAt = Number.NEGATIVE_INFINITY;
  readonly #settings: PollerSettings;
  readonly #reference: RemoteReference;
  #remote: RemoteTask | undefined;
  /** The status message of the local task. */
  #message: string | undefined;
  #movedAt: number;
  #stalled: boolean;
  /** This poller has read the remote task at least once. */
  #read = false;
  /** How many polls in a row found nothing new. */
  #quiet = 0;
  /** How many polls and writes of the outcome in a row failed. */
  #failures = 0;
  /** The store does not have the latest state yet. */
  #dirty = false;
  /** How the remote task ended, until the store has it. */
  #outcome: RemoteOutcome | undefined;
  /** Aborts the call of the application that is under way. */
  #abort: AbortController | undefined;

  constructor(settings: PollerSettings, leased: LeasedTask, { context, checkpoint, task }: FollowedRecord) {
    const { reference, remote } = context as unknown as Followable;
    const learned = checkpoint as Learned | undefined | null;
    this.taskId = leased.taskId;
    this.leased = leased;
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

  /** Milliseconds that the remote asks for between two polls, within the bounds of the settings. */
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

  /** Ends the delay of an idle task, when a change is expected. */
  wake(): void {
    this.#quiet = 0;
  }

  /** Aborts the call under way. After this, the object writes nothing. */
  leave(reason: string): void {
    this.over = true;
    this.#abort?.abort(new DOMException(reason, "AbortError"));
  }

  /** Polls once and stores what changed. Never rejects. */
  async visit(): Promise<void> {
    this.#outcome ??= await this.#poll();
    if (this.over) return;
    if (this.#outcome) await this.#end(this.#outcome);
    else await this.#remember();
  }

  /** Polls once. Returns how the task ended, if it did. */
  async #poll(): Promise<RemoteOutcome | undefined> {
    try {
      // If the task ended and only fetching its result failed, only the result is fetched again.
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
    if (changed || asks) onChange(this.view, remote);
    if (stalled) onStalled(this.view, remote);
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

  /** Calls the application, and waits for at most `timeoutMs`, even if it ignores the signal. */
  async #call<T>(call: (reference: RemoteReference, options: { signal: AbortSignal }) => T | Promise<T>): Promise<T> {
    const { timeoutMs } = this.#settings;
    const abort = new AbortController();
    const { signal } = abort;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    onAbort(signal, reject);
    const late = new DOMException(`The remote did not answer within ${timeoutMs} ms`, "TimeoutError");
    const cancel = deadline(timeoutMs, () => abort.abort(late));
    this.#abort = abort;
    try {
      return await Promise.race([aborted, (async () => call(this.#reference, { signal }))()]);
    } finally {
      cancel();
      this.#abort = undefined;
    }
  }

  /** Stores the latest state, if it is new. */
  async #remember(): Promise<void> {
    const remote = this.#remote;
    if (!this.#dirty || !remote || isTerminal(remote.status)) return;
    const movedAt = new Date(this.#movedAt).toISOString();
    const checkpoint: Learned = { remote, movedAt, stalled: this.#stalled };
    const { status } = remote;
    const statusMessage = this.#said(remote.statusMessage);
    try {
      await this.leased.update({ status, statusMessage, checkpoint });
      this.#dirty = false;
      this.#message = statusMessage;
    } catch (error) {
      this.#refused(error);
      // The store would refuse the same state again. It may take the next one.
      if (isUnstorable(error)) this.#dirty = false;
    }
  }

  async #end(outcome: RemoteOutcome): Promise<void> {
    const { status, result, error } = outcome;
    const statusMessage = this.#said(outcome.statusMessage);
    try {
      if (error) await this.leased.finish({ status: "failed", error, statusMessage });
      else if (result && status !== "cancelled") await this.leased.finish({ status, result, statusMessage });
      else await this.leased.update({ status, statusMessage });
    } catch (refusal) {
      this.#failures += 1;
      this.#refused(refusal);
      if (isUnstorable(refusal)) this.#outcome = unstorableOutcome(refusal);
      return;
    }
    this.over = true;
    this.#settings.onEnd(this.view, outcome);
  }

  /**
   * The store keeps a message until it gets another. If the remote removed its message, this is the
   * empty string.
   */
  #said(statusMessage: string | undefined): string | undefined {
    return statusMessage ?? (this.#message === undefined ? undefined : "");
  }

  #refused(error: unknown): void {
    if (isOver(error)) this.over = true;
    else this.report(error);
  }

  report(error: unknown): void {
    this.#settings.onError(error, this.view);
  }
}
