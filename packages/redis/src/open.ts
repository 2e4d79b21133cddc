import { Redis } from "ioredis";
import type { ClusterDriver, Driver, NodeDriver } from "./driver.ts";
import type { RedisSettings } from "./options.ts";

/**
 * The options of every connection of the store. ioredis must not resend a command whose answer was
 * lost, because a write would run twice. Reconnects are lazy: the next call reconnects, and an idle
 * store does nothing.
 */
function nodeOptions(timeoutMs: number) {
  return {
    lazyConnect: true,
    keyPrefix: "",
    retryStrategy: null,
    reconnectOnError: null,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableOfflineQueue: true,
    enableAutoPipelining: false,
    enableReadyCheck: true,
    maxRetriesPerRequest: null,
    commandTimeout: undefined,
    // A connection without answers is closed, so that the next call can find a live server.
    socketTimeout: timeoutMs,
    connectTimeout: timeoutMs,
    readOnly: false,
    monitor: false,
    replyMapping: "legacy",
    stringNumbers: false,
  };
}

/** Makes connections, which connect on first use. */
export class Drivers {
  readonly isCluster: boolean;
  readonly #settings: RedisSettings;

  constructor(settings: RedisSettings) {
    this.#settings = settings;
    this.isCluster = settings.client?.isCluster === true;
  }

  /** The prefix that the given client puts before every key. */
  get keyPrefix(): string {
    return this.#settings.client?.options.keyPrefix ?? "";
  }

  /** For commands. */
  open(): Driver {
    const { url, client, commandTimeoutMs } = this.#settings;
    const options = nodeOptions(commandTimeoutMs);
    if (this.isCluster) {
      const duplicate = client?.duplicate.bind(client) as unknown as (nodes: [], override: object) => ClusterDriver;
      return this.#prepared(
        duplicate([], {
          lazyConnect: true,
          keyPrefix: "",
          scaleReads: "master",
          enableAutoPipelining: false,
          shardedSubscribers: false,
          clusterRetryStrategy: null,
          clusterNodeRetryStrategy: null,
          retryDelayOnFailover: 0,
          slotsRefreshTimeout: commandTimeoutMs,
          redisOptions: options,
        }),
      );
    }
    if (!client) return this.#prepared(new Redis(url as string, options as object) as unknown as NodeDriver);
    return this.#prepared((client as unknown as NodeDriver).duplicate(options));
  }

  /** Another connection to a server, for a subscription. */
  openSubscriber(node: NodeDriver): NodeDriver {
    return this.#prepared(node.duplicate(nodeOptions(this.#settings.commandTimeoutMs)));
  }

  #prepared<T extends Driver>(driver: T): T {
    // Failures come as rejections. ioredis prints an error event that has no listener.
    driver.on("error", () => undefined);
    // A call keeps the process alive until it is answered. A connection does not.
    const unref = (node: Driver) => node.once("connect", () => (node as NodeDriver).stream?.unref?.());
    unref(driver);
    driver.on("+node", unref);
    return driver;
  }
}
