import { randomBytes } from "node:crypto";
import { type ChangedTask, type Context, presentContext, realTime } from "@mcp-task-store/core/backend";
import type { Connections, Runner } from "./connection.ts";
import { read, type Statement } from "./statement.ts";

/** A changed task, with its details unless they are too long. */
type Change = readonly [taskId: string, about?: ChangedTask];

/** A notification: these tasks changed, or its sender probes whether it arrives. */
export interface Signal {
  /** The id of the sending store, which does not listen to itself. */
  readonly from: string;
  readonly changes?: readonly Change[];
  readonly probe?: number;
}

/**
 * Pause after each NOTIFY: 5 ms per task announced, at most 20 ms. A lone change reaches others
 * within 5 ms; a burst costs one statement per 20 ms. (CPU per lifecycle without listeners: +3-4 %
 * at 10 ms, +4-10 % at 5 ms.)
 */
const REST_MS_PER_TASK = 5;
const MOST_REST_MS = 20;
/** Longest payload of a notification. PostgreSQL's limit is 8,000 bytes. */
const PAYLOAD_BYTES = 7500;
/**
 * Most pending changes. During an outage further ones are dropped, and other processes' polls find
 * them.
 */
const MOST_PENDING = 10_000;

const NOTIFY_AT_COMMIT: Statement<[channel: string, payload: string], unknown> = read(
  "notify_at_commit",
  "SELECT pg_notify($1, $2)",
);

/**
 * Tells other processes which tasks changed. It sends after the commit and in batches, because
 * PostgreSQL serialises the commits that send notifications. (Throughput with one notification in
 * each write: 0.63.)
 */
export class Notifier {
  /** The id of this store, by which it recognises its own signals. */
  readonly id: string = randomBytes(8).toString("hex");
  readonly channel: string;
  readonly #connections: Connections;
  readonly #inContext: Context = presentContext();
  readonly #notify: Statement<[channel: string, payloads: readonly string[]], never>;
  readonly #pending = new Map<string, ChangedTask>();
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #restUntil = 0;

  constructor(connections: Connections, storeId: string) {
    this.#connections = connections;
    // A schema's name can be too long for a channel.
    this.channel = `mcp_tasks_${storeId.slice(0, 32)}`;
    // A signal need not survive a crash, so its commit does not wait for the disk.
    this.#notify = read(
      "notify",
      "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, payload) FROM unnest($2::text[]) AS payload",
    );
  }

  /** A committed transaction has changed the task. */
  changed(taskId: string, about: ChangedTask): void {
    if (this.#pending.size >= MOST_PENDING) return;
    this.#pending.set(taskId, about);
    if (this.#timer || this.#sending) return;
    this.#schedule();
  }

  /**
   * Announces a task within a transaction of the application. PostgreSQL sends the notification
   * with the commit, and not at all after a rollback. It names no sender, because this store's own
   * listeners cannot know of the commit otherwise.
   */
  async changedIn(transaction: Runner, taskId: string, about: ChangedTask): Promise<void> {
    for (const changes of batches([[taskId, about]]))
      await transaction.run(NOTIFY_AT_COMMIT, this.channel, JSON.stringify({ from: "", changes } satisfies Signal));
  }

  async probe(probe: number): Promise<void> {
    await this.#send([{ from: this.id, probe }]);
  }

  /** Sends the pending changes. It never rejects. */
  async flush(): Promise<void> {
    realTime.clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#sending;
    if (this.#pending.size === 0) return;
    const changes = [...this.#pending];
    this.#pending.clear();
    // A failed signal is not sent again: processes that wait for these tasks poll as well.
    this.#sending = this.#send(batches(changes).map((batch) => ({ from: this.id, changes: batch }))).catch(
      () => undefined,
    );
    await this.#sending;
    this.#sending = undefined;
    this.#restUntil = realTime.now() + Math.min(REST_MS_PER_TASK * changes.length, MOST_REST_MS);
    if (this.#pending.size > 0 && !this.#timer) this.#schedule();
  }

  #schedule(): void {
    const rest = Math.max(this.#restUntil - realTime.now(), 0);
    this.#timer = this.#inContext(() => realTime.setTimeout(() => void this.flush(), rest)).unref();
  }

  async #send(signals: readonly Signal[]): Promise<void> {
    const payloads = signals.map((signal) => JSON.stringify(signal));
    await this.#connections.run(this.#notify, this.channel, payloads);
  }
}

/** The signal in a payload, `undefined` if the payload is not a store's. */
export function parseSignal(payload: string | undefined): Signal | undefined {
  try {
    const signal: unknown = JSON.parse(payload ?? "");
    if (typeof signal !== "object" || signal === null || !("from" in signal)) return undefined;
    const { changes = [] } = signal as Partial<Signal>;
    return Array.isArray(changes) && changes.every(Array.isArray) ? (signal as Signal) : undefined;
  } catch {
    return undefined;
  }
}

function batches(changes: Iterable<Change>): Change[][] {
  const all: Change[][] = [];
  let room = 0;
  for (const change of changes) {
    const whole = bytesOf(change);
    // Receivers read the task if they get only its id.
    const told: Change = whole > PAYLOAD_BYTES ? [change[0]] : change;
    const bytes = told === change ? whole : bytesOf(told);
    if (bytes > room) {
      all.push([]);
      room = PAYLOAD_BYTES;
    }
    all.at(-1)?.push(told);
    room -= bytes;
  }
  return all;
}

/** Includes the comma after it. */
function bytesOf(change: Change): number {
  return Buffer.byteLength(JSON.stringify(change)) + 1;
}
