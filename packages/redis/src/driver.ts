import { Redis } from "ioredis";
import type { RedisSettings } from "./options.ts";

/** What the store needs of a client given to it: a `Redis` or `Cluster` of ioredis is one. */
export interface RedisClient {
  readonly options: { readonly keyPrefix?: string | undefined };
  readonly isCluster?: boolean;
  duplicate(...args: never[]): unknown;
}

/** A connection, or a cluster's connections, as far as they are used here. */
export interface Driver {
  readonly status: string;
  connect(): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (...args: never[]) => void): unknown;
  once(event: string, listener: (...args: never[]) => void): unknown;
  evalsha(sha1: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
  hmget(key: string, ...fields: string[]): Promise<(string | null)[]>;
  eval(lua: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
}

/** A socket. */
export interface NodeStream {
  unref?(): unknown;
  cork(): void;
  uncork(): void;
}

/** A connection to one server. */
export interface NodeDriver extends Driver {
  readonly options: { readonly host?: string | undefined; readonly port?: number | undefined; readonly db?: number };
  readonly stream?: NodeStream;
  duplicate(override: object): NodeDriver;
  ssubscribe(channel: string): Promise<unknown>;
  ping(): Promise<unknown>;
}

export interface ClusterDriver extends Driver {
  /** `host:port` of the nodes of each slot, the primary first. */
  readonly slots: readonly (readonly string[] | undefined)[];
  nodes(role: "master"): readonly NodeDriver[];
  cluster(subcommand: "KEYSLOT", key: string): Promise<number>;
}

/** The sockets that commands may go to. */
export function streamsOf(driver: Driver): NodeStream[] {
  const nodes = "nodes" in driver ? (driver as ClusterDriver).nodes("master") : [driver as NodeDriver];
  return nodes.flatMap(({ stream }) => stream ?? []);
}

/**
 * Options that every connection of the store has. A command is never sent twice: ioredis would repeat those whose answer was
 * lost, and so write twice. Nothing reconnects by itself, but the next call does; so nothing goes on while nobody wants anything.
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
    // A server that does not answer is given up, so that the next call finds the one that does.
    socketTimeout: timeoutMs,
    connectTimeout: timeoutMs,
    readOnly: false,
    monitor: false,
    replyMapping: "legacy",
    stringNumbers: false,
  };
}

/** Makes connections that are not yet connected. */
export class Drivers {
  readonly isCluster: boolean;
  readonly #settings: RedisSettings;

  constructor(settings: RedisSettings) {
    this.#settings = settings;
    this.isCluster = settings.client?.isCluster === true;
  }

  /** What the client that was given puts before every key. */
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
    // Failures come as rejections; an event that nobody listens to would be printed.
    driver.on("error", () => undefined);
    // Calls keep the process alive until they are answered, connections do not.
    const unref = (node: Driver) => node.once("connect", () => (node as NodeDriver).stream?.unref?.());
    unref(driver);
    driver.on("+node", unref);
    return driver;
  }
}
