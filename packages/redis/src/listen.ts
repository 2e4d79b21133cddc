import { aboutChange, type OnChange, realTime } from "@mcp-task-store/core/backend";
import type { Connections } from "./connection.ts";
import { within } from "./deadlines.ts";
import type { Subscriber } from "./driver.ts";
import { toStoreError } from "./errors.ts";
import { changedTask } from "./rows.ts";

/** Heartbeat of the subscription's connection. */
const PING_MS = 10_000;

/**
 * Tells listeners which tasks changed. Each listener has its own connection to the server with the
 * store's keys. After a lost connection the feed reconnects, and tells the listener that any task
 * may have changed in the gap.
 */
export class ChangeFeed {
  readonly #connections: Connections;
  readonly #timeoutMs: number;
  readonly #subscriptions = new Set<Subscription>();

  constructor(connections: Connections, timeoutMs: number) {
    this.#connections = connections;
    this.#timeoutMs = timeoutMs;
  }

  /** Listeners miss no change made after this resolves. */
  async listen(listener: OnChange): Promise<() => Promise<void>> {
    const subscription = new Subscription(this.#connections, this.#timeoutMs, listener);
    this.#subscriptions.add(subscription);
    const stop = async () => {
      this.#subscriptions.delete(subscription);
      await subscription.stop();
    };
    try {
      await within(this.#timeoutMs, subscription.start());
    } catch (error) {
      await stop();
      throw toStoreError(error);
    }
    return stop;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop()));
    this.#subscriptions.clear();
  }
}

/** One listener's subscription, maintained until it is stopped. */
class Subscription {
  readonly #connections: Connections;
  readonly #timeoutMs: number;
  readonly #listener: OnChange;
  #subscriber: Subscriber | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(connections: Connections, timeoutMs: number, listener: OnChange) {
    this.#connections = connections;
    this.#timeoutMs = timeoutMs;
    this.#listener = listener;
  }

  async start(): Promise<void> {
    const subscriber = await this.#connections.use((driver) => driver.subscriber());
    try {
      await within(
        this.#timeoutMs,
        subscriber.subscribe((signal) => this.#hear(signal)),
      );
    } catch (error) {
      void subscriber.close();
      throw error;
    }
    if (this.#stopped) return subscriber.close();
    this.#subscriber = subscriber;
    void subscriber.ended.then(() => this.#again(0));
    this.#ping(subscriber);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    realTime.clearTimeout(this.#timer);
    await this.#subscriber?.close();
  }

  #hear(signal: string): void {
    if (this.#stopped) return;
    const task = changedTask(signal);
    // A signal of another version also starts with the id.
    if (task) this.#listener(task.taskId, aboutChange(task));
    else this.#listener(signal.split("\0", 1)[0]);
  }

  /** A silently dead connection answers no ping, and is closed. */
  #ping(subscriber: Subscriber): void {
    let answered = true;
    const beat = () => {
      if (!answered) return void subscriber.close();
      answered = false;
      subscriber.ping().then(
        () => {
          answered = true;
        },
        () => undefined,
      );
      this.#timer = realTime.setTimeout(beat, PING_MS).unref();
    };
    this.#timer = realTime.setTimeout(beat, PING_MS).unref();
  }

  #again(attempt: number): void {
    if (this.#stopped) return;
    realTime.clearTimeout(this.#timer);
    this.#timer = realTime
      .setTimeout(
        () => {
          this.start().then(
            () => this.#stopped || this.#listener(),
            () => this.#again(attempt + 1),
          );
        },
        Math.min(10 * 2 ** attempt, 1000),
      )
      .unref();
  }
}
