import { createRequire } from "node:module";
import { TaskStoreError } from "@mcp-task-store/core";
import { realTime } from "@mcp-task-store/core/backend";
import type { Corkable, Driver, Drivers, IoredisClient, Subscriber } from "../driver.ts";
import { isReply } from "../errors.ts";

/** A connection of ioredis, or its connections to a cluster. */
interface Connection {
  readonly status: string;
  connect(): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (...args: never[]) => void): unknown;
  once(event: string, listener: (...args: never[]) => void): unknown;
  evalsha(sha1: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
  eval(lua: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
  hmget(key: string, ...fields: string[]): Promise<unknown>;
}

/** A connection to one server. */
interface Node extends Connection {
  readonly options: { readonly host?: string | undefined; readonly port?: number | undefined };
  readonly stream?: Corkable & { unref?(): unknown };
  duplicate(override: object): Node;
  ssubscribe(channel: string): Promise<unknown>;
  ping(): Promise<unknown>;
}

interface Cluster extends Connection {
  /** `host:port` of the nodes of each slot, the primary first. */
  readonly slots: readonly (readonly string[] | undefined)[];
  nodes(role: "master"): readonly Node[];
  cluster(subcommand: "KEYSLOT", key: string): Promise<number>;
}

/** Only clients of ioredis have a `status`. */
export function isIoredis(client: object): client is IoredisClient {
  const { duplicate, status, options } = client as Partial<IoredisClient>;
  return typeof duplicate === "function" && typeof status === "string" && typeof options === "object";
}

/** Connections with the settings of a `Redis` or `Cluster`. */
export function ioredisDrivers(client: IoredisClient, timeoutMs: number): Drivers {
  const options = nodeOptions(timeoutMs);
  const override = client.isCluster ? [[], clusterOptions(options, timeoutMs)] : [options];
  const duplicate = client.duplicate.bind(client) as (...args: unknown[]) => unknown;
  return {
    keyPrefix: client.options.keyPrefix ?? "",
    open: (channel) =>
      client.isCluster
        ? new ClusterDriver(prepared(duplicate(...override) as Cluster), channel, timeoutMs)
        : new NodeDriver(prepared(duplicate(...override) as Node), channel, timeoutMs),
  };
}

/**
 * Connections to a URL.
 * @throws TaskStoreError `INVALID_ARGUMENT` if ioredis is not installed
 */
export function urlDrivers(url: string, timeoutMs: number): Drivers {
  const { Redis } = loadIoredis();
  const options = nodeOptions(timeoutMs);
  return {
    keyPrefix: "",
    open: (channel) => new NodeDriver(prepared(new Redis(url, options)), channel, timeoutMs),
  };
}

function loadIoredis(): { Redis: new (url: string, options: object) => Node } {
  try {
    return createRequire(import.meta.url)("ioredis");
  } catch (error) {
    throw new TaskStoreError(
      "INVALID_ARGUMENT",
      "RedisTaskStore needs ioredis for a url, and could not load it: npm install ioredis, or give a client of " +
        "node-redis as client",
      { cause: error },
    );
  }
}

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

function clusterOptions(redisOptions: object, timeoutMs: number) {
  return {
    lazyConnect: true,
    keyPrefix: "",
    scaleReads: "master",
    enableAutoPipelining: false,
    shardedSubscribers: false,
    clusterRetryStrategy: null,
    clusterNodeRetryStrategy: null,
    retryDelayOnFailover: 0,
    slotsRefreshTimeout: timeoutMs,
    redisOptions,
  };
}

function prepared<T extends Connection>(connection: T): T {
  // Failures come as rejections. ioredis prints an error event that has no listener.
  connection.on("error", () => undefined);
  connection.once("end", () => over.add(connection));
  // A call keeps the process alive until it is answered. A connection does not.
  const unref = (node: Connection) => node.once("connect", () => (node as Node).stream?.unref?.());
  unref(connection);
  connection.on("+node", unref);
  return connection;
}

/** Connects. A failure rejects with the first error, which names the cause. */
async function connect(connection: Connection): Promise<void> {
  let reason: unknown;
  connection.on("error", (error: Error) => {
    reason ??= error;
  });
  try {
    await connection.connect();
  } catch (error) {
    void disconnect(connection);
    throw reason ?? error;
  }
}

/** Longest wait for a connection to tell its end. A cluster that was connecting may not do so. */
const END_MS = 1000;

/** Connections that have ended. A cluster's status may be `close` again after that. */
const over = new WeakSet<Connection>();
const ends = new WeakMap<Connection, Promise<void>>();

/** Disconnects for good. Resolves at the end. */
function disconnect(connection: Connection): Promise<void> {
  const before = ends.get(connection);
  if (before) return before;
  // A cluster that was connecting may become ready after its end.
  connection.on("ready", () => connection.disconnect());
  const end = over.has(connection) ? Promise.resolve() : ended(connection);
  ends.set(connection, end);
  return end;
}

async function ended(connection: Connection): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<void>((resolve) => {
    connection.once("end", resolve);
    timer = realTime.setTimeout(resolve, END_MS);
  });
  connection.disconnect();
  await end;
  realTime.clearTimeout(timer);
}

abstract class IoredisDriver<T extends Connection> implements Driver {
  protected readonly connection: T;
  protected readonly channel: string;
  protected readonly timeoutMs: number;

  constructor(connection: T, channel: string, timeoutMs: number) {
    this.connection = connection;
    this.channel = channel;
    this.timeoutMs = timeoutMs;
  }

  get ready(): boolean {
    return this.connection.status === "ready";
  }

  connect(): Promise<void> {
    return connect(this.connection);
  }

  close(): Promise<void> {
    return disconnect(this.connection);
  }

  eval(lua: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.connection.eval(lua, keys.length, ...keys, ...args);
  }

  evalsha(sha1: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.connection.evalsha(sha1, keys.length, ...keys, ...args);
  }

  hmget(key: string, fields: readonly string[]): Promise<unknown> {
    return this.connection.hmget(key, ...fields);
  }

  async subscriber(): Promise<Subscriber> {
    const node = await this.node();
    return new IoredisSubscriber(prepared(node.duplicate(nodeOptions(this.timeoutMs))), this.channel);
  }

  abstract sockets(): Corkable[];
  protected abstract node(): Promise<Node>;
}

class NodeDriver extends IoredisDriver<Node> {
  sockets(): Corkable[] {
    const { stream } = this.connection;
    return stream ? [stream] : [];
  }

  protected async node(): Promise<Node> {
    return this.connection;
  }
}

/**
 * Connections to a cluster. ioredis stays ready while the node of the store's slot is away, and
 * fails each command as if it had been sent. So this ends with the connection to that node.
 */
class ClusterDriver extends IoredisDriver<Cluster> {
  override async connect(): Promise<void> {
    await super.connect();
    await this.eval("return redis.call('EXISTS', KEYS[1])", [this.channel], []);
  }

  override eval(lua: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.#endingWith(super.eval(lua, keys, args));
  }

  override evalsha(sha1: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.#endingWith(super.evalsha(sha1, keys, args));
  }

  override hmget(key: string, fields: readonly string[]): Promise<unknown> {
    return this.#endingWith(super.hmget(key, fields));
  }

  #endingWith(answer: Promise<unknown>): Promise<unknown> {
    answer.catch((error: unknown) => isReply(error) || void this.close());
    return answer;
  }

  sockets(): Corkable[] {
    return this.connection.nodes("master").flatMap(({ stream }) => stream ?? []);
  }

  /** The primary of the store's slot. */
  protected async node(): Promise<Node> {
    // After a failover, a command on the key makes ioredis find its new node.
    await this.eval("return redis.call('EXISTS', KEYS[1])", [this.channel], []);
    const slot = await this.connection.cluster("KEYSLOT", this.channel);
    const address = this.connection.slots[slot]?.[0];
    const nodes = this.connection.nodes("master");
    const node = nodes.find(({ options }) => `${options.host}:${options.port}` === address);
    if (!node) throw new Error("The cluster has no node for the store's slot");
    return node;
  }
}

class IoredisSubscriber implements Subscriber {
  readonly ended: Promise<void>;
  readonly #node: Node;
  readonly #channel: string;

  constructor(node: Node, channel: string) {
    this.#node = node;
    this.#channel = channel;
    this.ended = new Promise((resolve) => node.once("end", resolve));
  }

  async subscribe(hear: (signal: string) => void): Promise<void> {
    await connect(this.#node);
    this.#node.on("smessage", (_channel: string, signal: string) => hear(signal));
    // The slot has moved to another node.
    this.#node.on("moved", () => this.#node.disconnect());
    await this.#node.ssubscribe(this.#channel);
  }

  ping(): Promise<unknown> {
    return this.#node.ping();
  }

  close(): Promise<void> {
    return disconnect(this.#node);
  }
}
