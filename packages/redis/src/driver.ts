/** The part of an ioredis `Redis` or `Cluster` that the store uses. */
export interface IoredisClient {
  readonly options: { readonly keyPrefix?: string | undefined };
  readonly status: string;
  readonly isCluster?: boolean;
  duplicate(...args: never[]): unknown;
}

/** The part of a node-redis client (`createClient`) that the store uses. */
export interface NodeRedisClient {
  readonly isReady: boolean;
  unref(): void;
  duplicate(...args: never[]): unknown;
  sendCommand(...args: never[]): Promise<unknown>;
  sSubscribe(...args: never[]): Promise<void>;
}

/** The part of a node-redis cluster (`createCluster`) that the store uses. */
export interface NodeRedisCluster {
  readonly masters: readonly object[];
  duplicate(...args: never[]): unknown;
  sendCommand(...args: never[]): Promise<unknown>;
  nodeClient(...args: never[]): unknown;
}

/** The part of a `GlideClusterClient` of valkey-glide that the store uses. */
export interface GlideClusterClient {
  customCommand(...args: never[]): Promise<unknown>;
  ssubscribe(...args: never[]): Promise<void>;
  close(...args: never[]): void;
}

/** A client whose settings a store can take over. */
export type RedisClient = IoredisClient | NodeRedisClient | NodeRedisCluster | GlideClusterClient;

/** Makes connections with the settings of a client. */
export interface Drivers {
  /** The prefix that the given client puts before every key. */
  readonly keyPrefix: string;
  /** @param channel The store's channel, whose slot has the store's keys. */
  open(channel: string): Driver;
}

/**
 * A connection to a server, or the connections to a cluster. It never sends a command twice. It
 * does not reconnect, and does not keep the process alive.
 */
export interface Driver {
  /** Commands can be sent now. */
  readonly ready: boolean;
  /** Rejects with the cause. If it takes too long, the caller closes the connection. */
  connect(): Promise<void>;
  /** Ends the connection, also one that is not there yet. Commands without an answer reject. */
  close(): Promise<void>;
  eval(lua: string, keys: readonly string[], args: readonly string[]): Promise<unknown>;
  evalsha(sha1: string, keys: readonly string[], args: readonly string[]): Promise<unknown>;
  hmget(key: string, fields: readonly string[]): Promise<unknown>;
  /** The sockets to cork, unless the client groups commands itself. */
  sockets?(): Corkable[];
  /** Finds the server that has the channel, for a subscriber that is not connected yet. */
  subscriber(): Promise<Subscriber>;
}

/** A connection of its own that hears signals. */
export interface Subscriber {
  /** Connects and subscribes to the store's channel. */
  subscribe(hear: (signal: string) => void): Promise<void>;
  /** Resolves when signals may be missed from now on. */
  readonly ended: Promise<void>;
  ping(): Promise<unknown>;
  close(): Promise<void>;
}

/** A socket. */
export interface Corkable {
  cork(): void;
  uncork(): void;
}
