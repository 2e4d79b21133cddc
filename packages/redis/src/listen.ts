import { aboutChange, type OnChange, realTime } from "@mcp-task-store/core/backend";
import { type Connections, connect, disconnect } from "./connection.ts";
import type { ClusterDriver, Driver, NodeDriver } from "./driver.ts";
import { toStoreError, unreachable } from "./errors.ts";
import type { Drivers } from "./open.ts";
import { changedTask } from "./rows.ts";

/** Heartbeat of the subscription's connection. */
const PING_MS = 10_000;

/**
 * Tells listeners which tasks changed. Each listener has its own connection to the server with the
 * store's keys. After a lost connection the feed reconnects, and tells the listener that any task
 * may have changed in the gap.
 */
export class ChangeFeed {
  readonly #drivers: Drivers;
  readonly #connections: Connections;
  readonly #channel: string;
  readonly #timeoutMs: number;
  readonly #subscriptions = new Set<Subscription>();

  constructor(drivers: Drivers, connections: Connections, channel: string, timeoutMs: number) {
    this.#drivers = drivers;
    this.#connections = connections;
    this.#channel = channel;
    this.#timeoutMs = timeoutMs;
  }

  /** Listeners miss no change made after this resolves. */
  async listen(listener: OnChange): Promise<() => Promise<void>> {
    const subscription = new Subscription(() => this.#subscribe(), listener);
    this.#subscriptions.add(subscription);
    const stop = async () => {
      this.#subscriptions.delete(subscription);
      await subscription.stop();
    };
    try {
      await this.#withinTime(subscription.start());
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

  async #subscribe(): Promise<NodeDriver> {
    const subscriber = this.#drivers.openSubscriber(await this.#node());
    try {
      await connect(subscriber);
      await subscriber.ssubscribe(this.#channel);
      return subscriber;
    } catch (error) {
      void disconnect(subscriber);
      throw error;
    }
  }

  /** The server to subscribe at: in a cluster, the primary of the store's slot. */
  async #node(): Promise<NodeDriver> {
    const driver = await this.#connections.use(async (ready) => ready);
    if (!this.#drivers.isCluster) return driver as NodeDriver;
    const cluster = driver as ClusterDriver;
    // After a failover, a read of the key makes the driver find its new node.
    await this.#connections.use((ready) => touch(ready, this.#channel));
    const slot = await this.#connections.use(() => cluster.cluster("KEYSLOT", this.#channel));
    const address = cluster.slots[slot]?.[0];
    const node = cluster.nodes("master").find(({ options }) => `${options.host}:${options.port}` === address);
    if (!node) throw unreachable(undefined);
    return node;
  }

  async #withinTime<T>(promise: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = realTime.setTimeout(() => reject(unreachable(undefined)), this.#timeoutMs);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      realTime.clearTimeout(timer);
    }
  }
}

function touch(driver: Driver, key: string): Promise<unknown> {
  return driver.eval("return redis.call('EXISTS', KEYS[1])", 1, key);
}

/** One listener's subscription, maintained until it is stopped. */
class Subscription {
  readonly #subscribe: () => Promise<NodeDriver>;
  readonly #listener: OnChange;
  #driver: NodeDriver | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(subscribe: () => Promise<NodeDriver>, listener: OnChange) {
    this.#subscribe = subscribe;
    this.#listener = listener;
  }

  async start(): Promise<void> {
    const driver = await this.#subscribe();
    if (this.#stopped) return disconnect(driver);
    this.#driver = driver;
    driver.on("smessage", (_channel: string, signal: string) => this.#hear(signal));
    // The slot has moved to another node.
    driver.on("moved", () => driver.disconnect());
    driver.once("end", () => this.#again(0));
    if (driver.status === "end") return this.#again(0);
    this.#ping();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    realTime.clearTimeout(this.#timer);
    await disconnect(this.#driver);
  }

  #hear(signal: string): void {
    if (this.#stopped) return;
    const task = changedTask(signal);
    // A signal of another version also starts with the id.
    if (task) this.#listener(task.taskId, aboutChange(task));
    else this.#listener(signal.split("\0", 1)[0]);
  }

  /** A silently dead connection answers no ping, so the driver closes it. */
  #ping(): void {
    this.#timer = realTime
      .setTimeout(() => {
        this.#driver?.ping().catch(() => undefined);
        this.#ping();
      }, PING_MS)
      .unref();
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
