import { randomBytes } from "node:crypto";
import type { Connections, Statement } from "./connection.ts";
import { read } from "./rows.ts";

/** What a notification says: these tasks changed, or whoever sent it asks whether it arrives. */
export interface Signal {
  /** The store that sent it. */
  readonly from: string;
  readonly taskIds?: readonly string[];
  readonly probe?: number;
}

/**
 * So long there is no other statement after one, for each task that it told of, and at most so long. A change that is almost
 * alone is heard of in 5 ms; where there are many, one statement in 10 ms took 3 to 4 % more of the processors' time for a
 * lifecycle than one in 20, and one in 5 ms 4 to 10 %, with nobody to listen.
 */
const REST_MS_PER_TASK = 5;
const MOST_REST_MS = 20;
/** PostgreSQL takes less than 8,000 bytes. */
const PAYLOAD_BYTES = 7500;
/** Signals are no promise: what comes on top while the database is away is dropped, and found by the fallback polls. */
const MOST_PENDING = 10_000;

/**
 * Tells other processes which tasks changed. After the commit and in batches, because notifications serialise the commits
 * that send them: one beside each write left 0.63 of the throughput.
 */
export class Notifier {
  /** Of this store, so that it knows its own signals. */
  readonly id: string = randomBytes(8).toString("hex");
  readonly channel: string;
  readonly #connections: Connections;
  readonly #notify: Statement<[channel: string, payloads: readonly string[]], never>;
  readonly #pending = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #restUntil = 0;

  constructor(connections: Connections, storeId: string) {
    this.#connections = connections;
    // Unlike a schema's name, short enough for a channel in any case.
    this.channel = `mcp_tasks_${storeId.slice(0, 32)}`;
    // A signal need not outlive a crash, so nothing waits for the disk while it is sent.
    this.#notify = read(
      "notify",
      "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, payload) FROM unnest($2::text[]) AS payload",
    );
  }

  /** The task was changed by a transaction that is committed. */
  changed(taskId: string): void {
    if (this.#pending.size >= MOST_PENDING) return;
    this.#pending.add(taskId);
    if (this.#timer || this.#sending) return;
    this.#schedule();
  }

  async probe(probe: number): Promise<void> {
    await this.#send([{ from: this.id, probe }]);
  }

  /** Sends what there is to send. Never rejects. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#sending;
    if (this.#pending.size === 0) return;
    const taskIds = [...this.#pending];
    this.#pending.clear();
    // What fails is not sent again: whoever waits for one of these tasks polls as well.
    this.#sending = this.#send(batches(taskIds).map((batch) => ({ from: this.id, taskIds: batch }))).catch(
      () => undefined,
    );
    await this.#sending;
    this.#sending = undefined;
    this.#restUntil = performance.now() + Math.min(REST_MS_PER_TASK * taskIds.length, MOST_REST_MS);
    if (this.#pending.size > 0 && !this.#timer) this.#schedule();
  }

  #schedule(): void {
    this.#timer = setTimeout(() => void this.flush(), Math.max(this.#restUntil - performance.now(), 0)).unref();
  }

  async #send(signals: readonly Signal[]): Promise<void> {
    const payloads = signals.map((signal) => JSON.stringify(signal));
    await this.#connections.run(this.#notify, this.channel, payloads);
  }
}

/** The signal in a payload; `undefined` for what is none of ours. */
export function parseSignal(payload: string | undefined): Signal | undefined {
  try {
    const signal: unknown = JSON.parse(payload ?? "");
    return typeof signal === "object" && signal !== null && "from" in signal ? (signal as Signal) : undefined;
  } catch {
    return undefined;
  }
}

function batches(taskIds: readonly string[]): string[][] {
  const all: string[][] = [];
  let room = 0;
  for (const taskId of taskIds) {
    const bytes = Buffer.byteLength(JSON.stringify(taskId)) + 1;
    if (bytes > room) {
      all.push([]);
      room = PAYLOAD_BYTES;
    }
    all.at(-1)?.push(taskId);
    room -= bytes;
  }
  return all;
}
