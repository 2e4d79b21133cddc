import { type Connection, connect, disconnect } from "./connection.ts";
import type { ClusterDriver, Driver, Drivers, NodeDriver } from "./driver.ts";
import { toStoreError, unreachable } from "./errors.ts";

type Listener = (taskId?: string) => void;

/** How often a silent connection is asked whether it is still there. */
const PING_MS = 10_000;

/**
 * The store's one subscription: a connection of its own to the server that has the store's keys. When it is lost, another one takes
 * its place, and listeners are told that anything may have changed meanwhile.
 */
export class Changes {
  readonly #drivers: Drivers;
  readonly #connection: Connection;
  readonly #channel: string;
  readonly #timeoutMs: number;
  readonly #subscriptions = new Set<Subscription>();

  constructor(drivers: Drivers, connection: Connection, channel: string, timeoutMs: number) {
    this.#drivers = drivers;
    this.#connection = connection;
    this.#channel = channel;
    this.#timeoutMs = timeoutMs;
  }

  /** No change that is made after this resolves can be missed. */
  async listen(listener: Listener): Promise<() => Promise<void>> {
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
    const driver = await this.#connection.use(async (ready) => ready, "repeatable");
    if (!this.#drivers.isCluster) return driver as NodeDriver;
    const cluster = driver as ClusterDriver;
    // Asking for the key leads the driver to the node that has it now, after a failover for instance.
    await this.#connection.use((ready) => touch(ready, this.#channel), "repeatable");
    const slot = await this.#connection.use(() => cluster.cluster("KEYSLOT", this.#channel), "repeatable");
    const address = cluster.slots[slot]?.[0];
    const node = cluster.nodes("master").find(({ options }) => `${options.host}:${options.port}` === address);
    if (!node) throw unreachable(undefined);
    return node;
  }

  async #withinTime<T>(promise: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(unreachable(undefined)), this.#timeoutMs);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function touch(driver: Driver, key: string): Promise<unknown> {
  return driver.eval("return redis.call('EXISTS', KEYS[1])", 1, key);
}

/** One listener's subscription, kept up until it is stopped. */
class Subscription {
  readonly #subscribe: () => Promise<NodeDriver>;
  readonly #listener: Listener;
  #driver: NodeDriver | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(subscribe: () => Promise<NodeDriver>, listener: Listener) {
    this.#subscribe = subscribe;
    this.#listener = listener;
  }

  async start(): Promise<void> {
    const driver = await this.#subscribe();
    if (this.#stopped) return disconnect(driver);
    this.#driver = driver;
    driver.on("smessage", (_channel: string, taskId: string) => this.#tell(taskId));
    // The slot went to another node.
    driver.on("moved", () => driver.disconnect());
    driver.once("end", () => this.#again(0));
    if (driver.status === "end") return this.#again(0);
    this.#ping();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await disconnect(this.#driver);
  }

  #tell(taskId?: string): void {
    if (!this.#stopped) this.#listener(taskId);
  }

  /** A connection that was cut without a word answers no ping, and is given up by the driver then. */
  #ping(): void {
    this.#timer = setTimeout(() => {
      this.#driver?.ping().catch(() => undefined);
      this.#ping();
    }, PING_MS).unref();
  }

  #again(attempt: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.start().then(
          () => this.#tell(),
          () => this.#again(attempt + 1),
        );
      },
      Math.min(10 * 2 ** attempt, 1000),
    ).unref();
  }
}
