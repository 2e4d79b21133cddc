import type { TaskStoreError } from "@mcp-task-store/core";
import type { Connections } from "./connection.ts";
import { toStoreError, unavailable } from "./errors.ts";
import { type Notifier, parseSignal } from "./notify.ts";
import type { PgClient } from "./pool.ts";
import type { Statements } from "./statements.ts";

/** A change may be committed that long after its time was taken, and is still found. */
const OVERLAP_MS = 1000;
/** A notification that takes longer does not come. */
const PROBE_TIMEOUT_MS = 1000;
/** How often it is made sure that notifications still arrive: a connection may be dead without anybody having noticed. */
const PROBE_EVERY_MS = 10_000;
/** How soon `LISTEN` is tried again where notifications did not arrive. */
const RETRY_MS = 60_000;
/** Longest time between attempts to reach a database that is away. */
const MOST_BACKOFF_MS = 2000;

/** What the feeds of a store, one after the other, know of its database. */
export interface FeedOptions {
  readonly connections: Connections;
  readonly statements: Statements;
  readonly notifier: Notifier;
  readonly pollMs: number;
  readonly state: FeedState;
  report(error: TaskStoreError): void;
}

export interface FeedState {
  /** Not before that time (`performance.now()`) is `LISTEN` to be tried. */
  listenAfter: number;
  /** It was told that `LISTEN` does not work. */
  degraded: boolean;
}

/**
 * Tells one listener which tasks changed. It looks for changes every `pollMs`, until a connection of its own has proved that
 * notifications arrive on it, and again as soon as that fails; whatever changed in between is found by looking. One timer,
 * and nothing here keeps the process alive.
 */
export class ChangeFeed {
  readonly #options: FeedOptions;
  readonly #onChange: (taskId?: string) => void;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #client: PgClient | undefined;
  /** Every change before that time of the database's clock was told. */
  #since = 0;
  /** Changes that were told, and may be found again in the overlap. */
  #told = new Map<string, string>();
  #failures = 0;
  #probe: { id: number; settle(arrived: boolean): void } | undefined;

  constructor(options: FeedOptions, onChange: (taskId?: string) => void) {
    this.#options = options;
    this.#onChange = onChange;
  }

  /** From when it resolves, no change can be missed. */
  async start(): Promise<void> {
    const { connections, statements } = this.#options;
    const [row] = await connections.run(statements.now);
    this.#since = row?.now ?? 0;
    this.#schedule(0);
  }

  /** This store has changed the task. */
  written(taskId: string): void {
    this.#tell(taskId);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#probe?.settle(false);
    await this.#running;
    this.#drop();
  }

  #tell(taskId?: string): void {
    if (!this.#stopped) this.#onChange(taskId);
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#running.then(() => this.#turn());
    }, delayMs).unref();
  }

  async #turn(): Promise<void> {
    const { pollMs } = this.#options;
    if (this.#stopped) return;
    try {
      if (this.#client) await this.#prove();
      else await this.#subscribe();
      // Also while notifications arrive: a process may have ended between a commit and its notification.
      await this.#poll();
      this.#failures = 0;
    } catch (error) {
      if (this.#failures === 0 && !this.#stopped) this.#options.report(toStoreError(error));
      this.#failures += 1;
    }
    const backoff = Math.min(pollMs * 2 ** this.#failures, Math.max(pollMs, MOST_BACKOFF_MS));
    this.#schedule(this.#failures > 0 ? backoff : this.#client ? PROBE_EVERY_MS : pollMs);
  }

  async #poll(): Promise<void> {
    const { connections, statements } = this.#options;
    const rows = await connections.run(statements.changedSince, this.#since - OVERLAP_MS);
    const told = new Map<string, string>();
    for (const { now, taskId, updatedAt, revision } of rows) {
      this.#since = now;
      if (taskId === null) continue;
      const change = `${updatedAt} ${revision}`;
      told.set(taskId, change);
      if (this.#told.get(taskId) !== change) this.#tell(taskId);
    }
    this.#told = told;
  }

  /** Begins to listen, if that is to be and can be. */
  async #subscribe(): Promise<void> {
    const { connections, notifier, state, pollMs } = this.#options;
    if (performance.now() < state.listenAfter) return;
    if (!connections.canListen) return this.#degrade("the pool has one connection only");
    try {
      const client = await connections.checkOut();
      this.#client = client;
      client.on("notification", ({ channel, payload }) => {
        if (channel === notifier.channel && client === this.#client) this.#receive(payload);
      });
      for (const event of ["error", "end"] as const) client.on(event, () => this.#lost(client));
      await connections.query(client, { text: `LISTEN ${notifier.channel}` });
      // Waiting for notifications is nothing that a process should live for.
      client.unref?.();
    } catch {
      // Whether the database is away as well is found out by the look that follows.
      this.#drop();
      state.listenAfter = performance.now() + Math.max(pollMs, MOST_BACKOFF_MS);
      return;
    }
    if (await this.#prove()) state.degraded = false;
    else this.#degrade("notifications do not arrive, as behind a pooler in transaction mode");
  }

  /** Sends a notification to itself, and gives the connection up when it does not arrive there. */
  async #prove(): Promise<boolean> {
    const id = Math.random();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#probe = { id, settle: resolve };
    let timer: NodeJS.Timeout | undefined;
    try {
      await this.#options.notifier.probe(id);
      timer = setTimeout(() => resolve(false), PROBE_TIMEOUT_MS).unref();
      const arrived = await promise;
      if (!arrived) this.#drop();
      return arrived;
    } finally {
      clearTimeout(timer);
      this.#probe = undefined;
    }
  }

  #receive(payload: string | undefined): void {
    const signal = parseSignal(payload);
    if (!signal) return;
    if (signal.from !== this.#options.notifier.id) for (const taskId of signal.taskIds ?? []) this.#tell(taskId);
    else if (this.#probe && signal.probe === this.#probe.id) this.#probe.settle(true);
  }

  #lost(client: PgClient): void {
    if (client !== this.#client) return;
    this.#drop();
    this.#probe?.settle(false);
    // Whatever changed since the last look is told; that includes what is signalled before LISTEN works again.
    this.#schedule(0);
  }

  /** Gives up the connection, and its subscription with it. */
  #drop(): void {
    const client = this.#client;
    this.#client = undefined;
    if (client) this.#options.connections.giveBack(client, true);
  }

  #degrade(why: string): void {
    const { state, pollMs, report } = this.#options;
    if (this.#stopped) return;
    state.listenAfter = performance.now() + RETRY_MS;
    if (!state.degraded)
      report(unavailable(`LISTEN does not work: ${why}. Looking for changes every ${pollMs} ms instead`));
    state.degraded = true;
  }
}
