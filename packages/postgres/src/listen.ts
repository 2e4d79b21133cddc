import type { TaskStoreError } from "@mcp-task-store/core";
import { aboutChange, type ChangedTask, type OnChange, realTime, unavailable } from "@mcp-task-store/core/backend";
import type { Connections } from "./connection.ts";
import type { PgClient } from "./driver.ts";
import { toStoreError } from "./errors.ts";
import { type Notifier, parseSignal } from "./notify.ts";
import type { Statements } from "./statements.ts";

/** A poll finds changes committed up to this long after their timestamp, in milliseconds. */
const OVERLAP_MS = 1000;
/** A probe that takes longer counts as lost. */
const PROBE_TIMEOUT_MS = 1000;
/** Heartbeat of the listening connection, which may have died silently. */
const PROBE_EVERY_MS = 10_000;
/** Pause before `LISTEN` is tried again if notifications did not arrive. */
const RETRY_MS = 60_000;
/** Longest pause between attempts to reach a database that is down. */
const MOST_BACKOFF_MS = 2000;

/** The shared options of a store's subscriptions. */
export interface FeedOptions {
  readonly connections: Connections;
  /** For `LISTEN`: the same ones, unless a pooler is between. */
  readonly listening: Connections;
  readonly statements: Statements;
  readonly notifier: Notifier;
  /** `false`: never use `LISTEN`. */
  readonly listen: boolean;
  readonly changePollMs: number;
  report(error: TaskStoreError): void;
}

/** One subscription's knowledge about `LISTEN`, for the next ones. */
interface ListenState {
  /** `LISTEN` is not tried before this time (`realTime.now()`). */
  notBefore: number;
  /** `onError` was told that `LISTEN` does not work. */
  isReported: boolean;
}

/** Tells listeners which tasks changed, in this process or another. */
export class ChangeFeed {
  readonly #options: FeedOptions;
  readonly #state: ListenState;
  readonly #subscriptions = new Set<Subscription>();

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#state = { notBefore: options.listen ? 0 : Number.POSITIVE_INFINITY, isReported: false };
  }

  /** Listeners miss no change made after this resolves. */
  async listen(listener: OnChange): Promise<() => Promise<void>> {
    const subscription = new Subscription(this.#options, this.#state, listener);
    this.#subscriptions.add(subscription);
    const stop = () => {
      this.#subscriptions.delete(subscription);
      return subscription.stop();
    };
    try {
      await subscription.start();
      return stop;
    } catch (error) {
      await stop();
      throw toStoreError(error);
    }
  }

  /** This store has committed a change of the task. */
  written(taskId: string, about: ChangedTask): void {
    for (const subscription of this.#subscriptions) subscription.tell(taskId, about);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop()));
    this.#subscriptions.clear();
  }
}

/**
 * One listener's subscription, maintained until it is stopped. It polls every `changePollMs` until
 * its own connection has proved that notifications arrive, and again once that fails. A poll finds
 * every change since the last one. There is one timer, and nothing here keeps the process alive.
 */
class Subscription {
  readonly #options: FeedOptions;
  readonly #state: ListenState;
  readonly #listener: OnChange;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #client: PgClient | undefined;
  /** The listener knows every change before this time of the database's clock. */
  #since = 0;
  /** The same on this process's monotonic clock. */
  #polledAt = 0;
  /** Reported changes, which the next poll may find again in the overlap. */
  #told = new Map<string, string>();
  #failures = 0;
  /** Why there is no connection to the address for `LISTEN`. */
  #refused: unknown;
  #probe: { id: number; settle(arrived: boolean): void } | undefined;

  constructor(options: FeedOptions, state: ListenState, listener: OnChange) {
    this.#options = options;
    this.#state = state;
    this.#listener = listener;
  }

  /** Listeners miss no change made after this resolves. */
  async start(): Promise<void> {
    const { connections, statements } = this.#options;
    this.#polledAt = realTime.now();
    const [row] = await connections.run(statements.now);
    this.#since = row?.now ?? 0;
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    realTime.clearTimeout(this.#timer);
    this.#probe?.settle(false);
    await this.#running;
    this.#drop();
  }

  tell(taskId?: string, about?: ChangedTask): void {
    if (!this.#stopped) this.#listener(taskId, about);
  }

  #schedule(delayMs: number): void {
    realTime.clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = realTime
      .setTimeout(() => {
        this.#running = this.#running.then(() => this.#turn());
      }, delayMs)
      .unref();
  }

  async #turn(): Promise<void> {
    const { changePollMs } = this.#options;
    if (this.#stopped) return;
    try {
      if (this.#client) await this.#prove();
      else await this.#subscribe();
      // Needed even while notifications arrive: a process may have died between a commit and its
      // NOTIFY.
      await this.#poll();
      this.#failures = 0;
      // The database answers, but not at the address for LISTEN.
      if (this.#refused !== undefined) this.#report("its connection failed", this.#refused);
      this.#refused = undefined;
    } catch (error) {
      if (this.#failures === 0 && !this.#stopped) this.#options.report(toStoreError(error));
      this.#failures += 1;
    }
    const backoff = Math.min(changePollMs * 2 ** this.#failures, Math.max(changePollMs, MOST_BACKOFF_MS));
    this.#schedule(this.#failures > 0 ? backoff : this.#client ? PROBE_EVERY_MS : changePollMs);
  }

  async #poll(): Promise<void> {
    const { connections, statements } = this.#options;
    const startedAt = realTime.now();
    let rows = await connections.run(statements.changedSince, this.#since - OVERLAP_MS);
    const now = rows[0]?.now ?? this.#since;
    // The clock of a standby that was promoted is behind the one of its primary.
    if (now < this.#since) {
      const elapsed = Math.ceil(startedAt - this.#polledAt);
      rows = await connections.run(statements.changedSince, now - elapsed - OVERLAP_MS);
    }
    this.#polledAt = startedAt;
    const told = new Map<string, string>();
    for (const { now, updatedAt, revision, ...task } of rows) {
      this.#since = now;
      if (task.taskId === null) continue;
      const change = `${updatedAt} ${revision}`;
      told.set(task.taskId, change);
      if (this.#told.get(task.taskId) !== change) this.tell(task.taskId, aboutChange({ ...task, readAt: now }));
    }
    this.#told = told;
  }

  /** Begins to listen, unless `LISTEN` is off or failed recently. */
  async #subscribe(): Promise<void> {
    const { connections, listening, notifier, changePollMs } = this.#options;
    const state = this.#state;
    if (realTime.now() < state.notBefore) return;
    const direct = listening !== connections;
    if (!direct && connections.most < 2) return this.#degrade("the pool has one connection only");
    try {
      const client = await listening.checkOut();
      this.#client = client;
      client.on("notification", ({ channel, payload }) => {
        if (channel === notifier.channel && client === this.#client) this.#receive(payload);
      });
      for (const event of ["error", "end"] as const) client.on(event, () => this.#lost(client));
      await listening.query(client, { text: `LISTEN ${notifier.channel}` });
      // A connection that waits for notifications must not keep the process alive.
      client.unref?.();
    } catch (error) {
      this.#drop();
      // The poll that follows finds out whether the database is down.
      if (direct) this.#refused = error;
      state.notBefore = realTime.now() + Math.max(changePollMs, MOST_BACKOFF_MS);
      return;
    }
    if (await this.#prove()) state.isReported = false;
    else if (direct)
      this.#degrade(
        "notifications do not arrive: the address for LISTEN leads to another database, or to a pooler in transaction mode",
      );
    else
      this.#degrade(
        "notifications do not arrive, as behind a pooler in transaction mode (give listenConnectionString the database's own address)",
      );
  }

  /** Sends a notification to this connection, and closes it if the notification does not arrive. */
  async #prove(): Promise<boolean> {
    const id = Math.random();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#probe = { id, settle: resolve };
    let timer: NodeJS.Timeout | undefined;
    try {
      await this.#options.notifier.probe(id);
      timer = realTime.setTimeout(() => resolve(false), PROBE_TIMEOUT_MS).unref();
      const arrived = await promise;
      if (!arrived) this.#drop();
      return arrived;
    } finally {
      realTime.clearTimeout(timer);
      this.#probe = undefined;
    }
  }

  #receive(payload: string | undefined): void {
    const signal = parseSignal(payload);
    if (!signal) return;
    if (signal.from !== this.#options.notifier.id)
      for (const [taskId, about] of signal.changes ?? []) this.tell(taskId, about);
    else if (this.#probe && signal.probe === this.#probe.id) this.#probe.settle(true);
  }

  #lost(client: PgClient): void {
    if (client !== this.#client) return;
    this.#drop();
    this.#probe?.settle(false);
    // A poll finds every change since the last one, including those missed until LISTEN works
    // again.
    this.#schedule(0);
  }

  /** Closes the connection, and so ends its subscription. */
  #drop(): void {
    const client = this.#client;
    this.#client = undefined;
    if (client) this.#options.listening.giveBack(client, true);
  }

  #degrade(why: string): void {
    if (this.#stopped) return;
    this.#state.notBefore = realTime.now() + RETRY_MS;
    this.#report(why);
  }

  /** Tells once that the store polls. */
  #report(why: string, cause?: unknown): void {
    const { changePollMs, report } = this.#options;
    const state = this.#state;
    if (this.#stopped || state.isReported) return;
    report(unavailable(`LISTEN does not work: ${why}. The store polls every ${changePollMs} ms instead`, cause));
    state.isReported = true;
  }
}
