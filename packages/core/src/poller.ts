import { ANY_OWNER, type Lease, type TaskRecord, type TaskStore, type WaitOptions } from "./contract.ts";
import { DueQueue } from "./due-queue.ts";
import { expired, invalid, isTaskStoreError, notFound } from "./errors.ts";
import { type Followable, Followed, type FollowedRecord, isOver } from "./followed.ts";
import { type PollerSettings, pollerSettings, tell } from "./poller-settings.ts";
import { checkRemote, localTaskOf, type RemoteOutcome, type RemoteReference, storedOutcome } from "./remote-task.ts";
import { MAX_TIMER_MS } from "./settings.ts";
import type { FollowOptions, PollerOptions, TaskPoller } from "./task-poller.ts";

/** Renewals at once, and releases. */
const STORE_CALLS = 16;
/** Claims between two turns of the event loop. */
const CLAIMS = 64;
/** How long the process that creates a local task has to take its lease, before others may. */
const GRACE_MS = 5000;

/** The schedule: when each task is polled and its lease renewed, and by whom. What a poll does is in `Followed`. */
export class Poller implements TaskPoller {
  readonly #store: TaskStore;
  readonly #settings: PollerSettings;
  readonly #items = new Map<string, Followed>();
  /** Tasks that are not being polled, by when they are next. */
  readonly #polls = new DueQueue<Followed>();
  readonly #renewals = new DueQueue<Followed>();
  readonly #polling = new Set<Promise<void>>();
  readonly #renewing = new Set<Promise<void>>();
  readonly #following = new Set<Promise<string>>();
  #claiming: Promise<void> | undefined;
  #claimAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #stopped: Promise<void> | undefined;

  constructor(store: TaskStore, options: PollerOptions) {
    this.#store = store;
    this.#settings = pollerSettings(options);
    this.#schedule();
  }

  follow(reference: RemoteReference, options: FollowOptions = {}): Promise<string> {
    const following = this.#follow(reference, options).finally(() => this.#following.delete(following));
    this.#following.add(following);
    return following;
  }

  async wait(taskId: string, { signal, timeoutMs }: Omit<WaitOptions, "owner"> = {}): Promise<RemoteOutcome> {
    await this.#store.waitForTask(taskId, { signal, timeoutMs, owner: ANY_OWNER });
    const record = await this.#store.getRecord(taskId, { owner: ANY_OWNER });
    const outcome = record && storedOutcome(record);
    if (!outcome) throw expired(taskId);
    return outcome;
  }

  refresh(taskId: string): void {
    const item = this.#items.get(taskId);
    if (!item) return;
    item.wake();
    if (!this.#polls.has(item)) return;
    this.#polls.put(item, item.polledAt + item.baseInterval);
    this.#schedule();
  }

  async unfollow(taskId: string): Promise<void> {
    const item = this.#items.get(taskId);
    // Not to cancel what is no followed task at all.
    const record = item ? undefined : await this.#store.getRecord(taskId, { owner: ANY_OWNER });
    if (!item && record?.name !== this.#settings.name) throw notFound(taskId);
    try {
      await this.#store.cancelTask(taskId, { owner: ANY_OWNER, statusMessage: "The task is no longer followed." });
    } catch (error) {
      if (!isTaskStoreError(error, "TASK_TERMINAL")) throw error;
    }
    item?.leave("The task is no longer followed");
    if (item) this.#drop(item);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #follow(given: RemoteReference, { task, ttl }: FollowOptions): Promise<string> {
    const { name, leaseMs } = this.#settings;
    const { taskId, reference } = localTaskOf(name, given);
    const remote = task && checkRemote(task);
    if (this.#stopped) throw invalid("The poller was stopped");
    const context: Followable = { reference, remote };
    const request = { method: name, params: { taskId: reference.taskId } };
    let known: TaskRecord | null = null;
    try {
      await this.#store.createTask({ taskId, ttl, claimAfterMs: GRACE_MS, context: { ...context } }, 0, request);
    } catch (error) {
      // Most likely it is followed already.
      known = isTaskStoreError(error, "INVALID_ARGUMENT")
        ? await this.#store.getRecord(taskId, { owner: ANY_OWNER })
        : null;
      if (!known) throw error;
    }
    if (this.#items.has(taskId)) return taskId;
    try {
      const lease = await this.#store.acquireLease(taskId, { owner: ANY_OWNER, durationMs: leaseMs });
      // A task that only begins has nothing to tell before its interval is over.
      this.#take(
        lease,
        known ?? { context: { ...context }, checkpoint: undefined },
        !known && remote?.status === "working",
      );
    } catch (error) {
      // Another poller has it, or it has ended; otherwise the look for tasks will bring it.
      if (!isOver(error)) this.#report(error);
    }
    return taskId;
  }

  /** Polls the task from now on. */
  #take(lease: Lease, record: FollowedRecord, later = false): void {
    const now = performance.now();
    let item = this.#items.get(lease.taskId);
    if (item && !item.over) {
      // The lease had lapsed, and nobody else took it.
      item.lease = lease;
      item.leasedAt = now;
    } else {
      item = new Followed(this.#store, this.#settings, lease, record);
      this.#items.set(lease.taskId, item);
      if (later) item.polledAt = now;
      this.#polls.put(item, later ? now + item.baseInterval : now);
    }
    this.#renewals.put(item, now + lease.durationMs / 2);
    this.#schedule();
  }

  #drop(item: Followed): void {
    if (this.#items.get(item.taskId) === item) this.#items.delete(item.taskId);
    this.#polls.delete(item);
    this.#renewals.delete(item);
  }

  /** Sets the one timer for what comes next and has a place. */
  #schedule(): void {
    if (this.#stopped) return;
    const { concurrency } = this.#settings;
    const at = Math.min(
      this.#polling.size < concurrency ? this.#polls.next : Number.POSITIVE_INFINITY,
      this.#renewing.size < STORE_CALLS ? this.#renewals.next : Number.POSITIVE_INFINITY,
      this.#claiming ? Number.POSITIVE_INFINITY : this.#claimAt,
    );
    // A timer that fires too early finds nothing due, and sets the next.
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    const delay = Math.max(Math.ceil(at - performance.now()), 0);
    this.#timer = setTimeout(() => this.#tick(), Math.min(delay, MAX_TIMER_MS));
  }

  /** Starts what is due and has a place. */
  #tick(): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = performance.now();
    this.#start(this.#renewals, this.#renewing, STORE_CALLS, now, (item) => this.#renew(item));
    this.#start(this.#polls, this.#polling, this.#settings.concurrency, now, (item) => this.#visit(item));
    if (!this.#claiming && this.#claimAt <= now) {
      this.#claiming = this.#claim().finally(() => {
        this.#claiming = undefined;
        this.#schedule();
      });
    }
    this.#schedule();
  }

  #start(
    queue: DueQueue<Followed>,
    running: Set<Promise<void>>,
    most: number,
    now: number,
    run: (item: Followed) => Promise<void>,
  ): void {
    while (running.size < most) {
      const item = queue.take(now);
      if (!item) return;
      const done = run(item).finally(() => {
        running.delete(done);
        this.#tick();
      });
      running.add(done);
    }
  }

  async #visit(item: Followed): Promise<void> {
    await item.visit();
    if (this.#stopped) return;
    if (item.over) this.#drop(item);
    else this.#polls.put(item, performance.now() + item.interval);
  }

  async #renew(item: Followed): Promise<void> {
    const { lease } = item;
    const now = performance.now();
    let next = now + lease.durationMs / 2;
    try {
      await this.#store.renewLease(lease);
      item.leasedAt = now;
    } catch (error) {
      // Another lease of the same task may have come meanwhile.
      if (item.lease !== lease) return;
      const over = isOver(error);
      if (!over) item.report(error);
      // Once it may have lapsed, another poller may have the task. If none does, the look for tasks brings it back.
      if (over || now - item.leasedAt >= lease.durationMs) {
        item.leave("The lease of the task was lost");
        this.#drop(item);
        return;
      }
      next = now + lease.durationMs / 8;
    }
    if (!this.#stopped && !item.over && item.lease === lease) this.#renewals.put(item, next);
  }

  /** Takes up the tasks that nobody has. */
  async #claim(): Promise<void> {
    const { name, leaseMs, claimMs } = this.#settings;
    try {
      for (let claims = 0; claims < CLAIMS; claims += 1) {
        const claimed = await this.#store.claimTask({ names: [name], durationMs: leaseMs });
        if (!claimed) {
          this.#claimAt = performance.now() + claimMs;
          return;
        }
        // A poller that stops meanwhile gives it back with the others.
        this.#take(claimed.lease, claimed.record);
        if (this.#stopped) return;
      }
    } catch (error) {
      this.#claimAt = performance.now() + claimMs;
      this.#report(error);
    }
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#timer);
    for (const item of this.#items.values()) item.leave("The poller was stopped");
    await Promise.allSettled([...this.#polling, ...this.#renewing, ...this.#following, this.#claiming]);
    const leases = [...this.#items.values()].map(({ lease }) => lease);
    this.#items.clear();
    const release = async () => {
      for (let lease = leases.pop(); lease; lease = leases.pop()) {
        // If this fails, the lease lapses by itself.
        await this.#store.releaseLease(lease).catch((error: unknown) => isOver(error) || this.#report(error));
      }
    };
    await Promise.all(Array.from({ length: STORE_CALLS }, release));
  }

  #report(error: unknown): void {
    // Nothing is left to do, and nobody to be told.
    if (isTaskStoreError(error, "STORE_CLOSED")) void this.stop();
    else tell(() => this.#settings.onError(error, undefined));
  }
}
