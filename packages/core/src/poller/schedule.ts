import { WAIT_OPTIONS } from "../contract/call-options.ts";
import { MAX_TIMER_MS } from "../contract/checks.ts";
import { expired, invalid, isTaskStoreError, notFound } from "../contract/errors.ts";
import { isOver, LeasedTask } from "../contract/leased-task.ts";
import { checkOptions } from "../contract/option-checks.ts";
import type { WaitOptions } from "../contract/options.ts";
import { ANY_OWNER } from "../contract/owner.ts";
import type { Lease, TaskRecord } from "../contract/record.ts";
import type { RunnerStore } from "../contract/task-store.ts";
import { type Context, presentContext } from "../process/context.ts";
import { keptAlive } from "../process/keep-alive.ts";
import { DueQueue } from "./due-queue.ts";
import { type Followable, Followed, type FollowedRecord } from "./followed-task.ts";
import { checkRemote, keyOf, type RemoteOutcome, type RemoteReference, storedOutcome } from "./remote-task.ts";
import { FOLLOW_OPTIONS, type PollerSettings, pollerSettings } from "./settings.ts";
import type { FollowOptions, PollerOptions, TaskPoller } from "./task-poller.ts";

/** How many renewals run at once, and how many releases. */
const STORE_CALLS = 16;
/** How many tasks one step claims, at most. */
const CLAIMS = 64;
/** How long only the creator of a local task may take its lease. */
const GRACE_MS = 5000;

/**
 * The schedule of a poller: when each task is polled and its lease renewed. `Followed` does the
 * poll itself.
 */
export class Poller implements TaskPoller {
  readonly #store: RunnerStore;
  readonly #settings: PollerSettings;
  /** The context of the caller of `startPoller`. All callbacks run in it. */
  readonly #inContext: Context = presentContext();
  readonly #items = new Map<string, Followed>();
  /** Tasks that are waiting for their next poll, by its time. */
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

  constructor(store: RunnerStore, options: PollerOptions) {
    this.#store = store;
    this.#settings = pollerSettings(options);
    this.#schedule();
  }

  follow(reference: RemoteReference, options: FollowOptions = {}): Promise<string> {
    const following = this.#follow(reference, options).finally(() => this.#following.delete(following));
    this.#following.add(following);
    return following;
  }

  async wait(taskId: string, options: Omit<WaitOptions, "owner"> = {}): Promise<RemoteOutcome> {
    checkOptions("wait", options, WAIT_OPTIONS);
    await this.#store.waitForTask(taskId, { ...options, owner: ANY_OWNER });
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
    // Only a followed task may be cancelled here.
    const record = item ? undefined : await this.#store.getRecord(taskId, { owner: ANY_OWNER, fields: [] });
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
    this.#stopped ??= keptAlive(this.#stop());
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #follow(given: RemoteReference, options: FollowOptions): Promise<string> {
    checkOptions("follow", options, FOLLOW_OPTIONS);
    const { task, ttl } = options;
    const { name, leaseMs } = this.#settings;
    const { key, reference } = keyOf(given);
    const remote = task && checkRemote(task);
    if (this.#stopped) throw invalid("The poller was stopped");
    const context: Followable = { reference, remote };
    const { taskId, created } = await this.#store.createTask({
      dedupeKey: key,
      ttl,
      claimAfterMs: GRACE_MS,
      context: { ...context },
      method: name,
      params: { taskId: reference.taskId },
    });
    if (this.#items.has(taskId)) return taskId;
    let known: Pick<TaskRecord, "context" | "checkpoint"> | null = null;
    if (!created) {
      // A poller follows the task already, or an answer of the store was lost.
      known = await this.#store.getRecord(taskId, { owner: ANY_OWNER, fields: ["context", "checkpoint"] });
      if (!known) throw expired(taskId);
    }
    try {
      const lease = await this.#store.acquireLease(taskId, { owner: ANY_OWNER, leaseMs });
      // A new task has no news before its interval is over.
      this.#take(
        lease,
        known ?? { context: { ...context }, checkpoint: undefined },
        !known && remote?.status === "working",
      );
    } catch (error) {
      // Another poller has the task, or it has ended. Otherwise the next claim brings it.
      if (!isOver(error)) this.#report(error);
    }
    return taskId;
  }

  /** Starts to poll the task. */
  #take(lease: Lease, record: FollowedRecord, later = false): void {
    const now = performance.now();
    const leased = new LeasedTask(this.#store, lease);
    let item = this.#items.get(lease.taskId);
    if (item && !item.over) {
      // The lease had lapsed, and no other poller took it.
      item.leased = leased;
      item.leasedAt = now;
    } else {
      item = new Followed(this.#settings, leased, record);
      this.#items.set(lease.taskId, item);
      if (later) item.polledAt = now;
      this.#polls.put(item, later ? now + item.baseInterval : now);
    }
    this.#renewals.put(item, now + lease.leaseMs / 2);
    this.#schedule();
  }

  #drop(item: Followed): void {
    if (this.#items.get(item.taskId) === item) this.#items.delete(item.taskId);
    this.#polls.delete(item);
    this.#renewals.delete(item);
  }

  /** Sets the one timer for the next poll or renewal that `concurrency` allows. */
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
    this.#timer = this.#inContext(() => setTimeout(() => this.#tick(), Math.min(delay, MAX_TIMER_MS)));
  }

  /** Starts the polls and renewals that are due, as far as `concurrency` allows. */
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
    const { leased } = item;
    const { leaseMs } = leased.lease;
    const now = performance.now();
    let next = now + leaseMs / 2;
    try {
      await leased.renew();
      item.leasedAt = now;
    } catch (error) {
      // During the renewal, the poller may have taken the task under another lease.
      if (item.leased !== leased) return;
      const over = isOver(error);
      if (!over) item.report(error);
      // Once the lease may have lapsed, another poller may have the task. If none does, the next
      // claim brings it back.
      if (over || now - item.leasedAt >= leaseMs) {
        item.leave("The lease of the task was lost");
        this.#drop(item);
        return;
      }
      next = now + leaseMs / 8;
    }
    if (!this.#stopped && !item.over && item.leased === leased) this.#renewals.put(item, next);
  }

  /** Claims the tasks that no poller has. */
  async #claim(): Promise<void> {
    const { name, leaseMs, claimPollMs } = this.#settings;
    try {
      const claimed = await this.#store.claimTasks({ names: [name], leaseMs, limit: CLAIMS });
      // If the poller was stopped during the claim, `stop` gives these tasks back as well.
      for (const { lease, record } of claimed) this.#take(lease, record);
      if (claimed.length === 0) this.#claimAt = performance.now() + claimPollMs;
    } catch (error) {
      this.#claimAt = performance.now() + claimPollMs;
      this.#report(error);
    }
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#timer);
    for (const item of this.#items.values()) item.leave("The poller was stopped");
    await Promise.allSettled([...this.#polling, ...this.#renewing, ...this.#following, this.#claiming]);
    const held = [...this.#items.values()].map(({ leased }) => leased);
    this.#items.clear();
    const release = async () => {
      for (let leased = held.pop(); leased; leased = held.pop()) {
        // If this fails, the lease lapses.
        await leased.release().catch((error: unknown) => isOver(error) || this.#report(error));
      }
    };
    await Promise.all(Array.from({ length: STORE_CALLS }, release));
  }

  #report(error: unknown): void {
    // There is nothing left to poll, and no caller to inform.
    if (isTaskStoreError(error, "STORE_CLOSED")) void this.stop();
    else this.#inContext(this.#settings.onError, error, undefined);
  }
}
