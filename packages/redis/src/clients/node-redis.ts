import type { Driver, Drivers, NodeRedisClient, NodeRedisCluster, Subscriber } from "../driver.ts";
import { isReply } from "../errors.ts";

type Listener = (...args: never[]) => void;

interface ClientOptions {
  readonly socket?: object;
  readonly keyPrefix?: string | Buffer;
}

interface Client {
  readonly options?: ClientOptions;
  readonly isOpen: boolean;
  readonly isReady: boolean;
  duplicate(override: object): Client;
  connect(): Promise<unknown>;
  destroy(): void;
  unref(): void;
  on(event: string, listener: Listener): unknown;
  sendCommand(args: readonly string[], options: object): Promise<unknown>;
  sSubscribe(channel: string, listener: (message: string) => void): Promise<void>;
}

interface Cluster {
  /** node-redis' own, which its types hide. */
  readonly _options: { readonly defaults?: ClientOptions; readonly keyPrefix?: string | Buffer };
  readonly slots: readonly { readonly master: object }[];
  readonly masters: readonly { readonly client?: Client }[];
  readonly replicas: readonly { readonly client?: Client }[];
  duplicate(override: object): Cluster;
  connect(): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: Listener): unknown;
  sendCommand(firstKey: string, isReadonly: boolean, args: readonly string[], options: object): Promise<unknown>;
  nodeClient(node: object): Client | Promise<Client>;
}

/** Of all clients of node-redis, pools, sentinels and clusters have no `unref`. */
export function isNodeRedis(client: object): client is NodeRedisClient {
  const { isReady, unref, duplicate, sendCommand, sSubscribe } = client as Partial<Client>;
  return typeof isReady === "boolean" && areMethods(unref, duplicate, sendCommand, sSubscribe);
}

export function isNodeRedisCluster(client: object): client is NodeRedisCluster {
  const { _options, duplicate, sendCommand, nodeClient } = client as Partial<Cluster>;
  return typeof _options === "object" && areMethods(duplicate, sendCommand, nodeClient);
}

function areMethods(...members: unknown[]): boolean {
  return members.every((member) => typeof member === "function");
}

/** Connections with the settings of a client of `createClient`. */
export function nodeRedisDrivers(given: NodeRedisClient, timeoutMs: number): Drivers {
  const client = given as unknown as Client;
  return {
    keyPrefix: `${client.options?.keyPrefix ?? ""}`,
    open: (channel) => new NodeDriver(copyOf(client, timeoutMs), channel, timeoutMs),
  };
}

/** Connections with the settings of a client of `createCluster`. */
export function nodeRedisClusterDrivers(given: NodeRedisCluster, timeoutMs: number): Drivers {
  const cluster = given as unknown as Cluster;
  const { defaults = {}, keyPrefix = defaults.keyPrefix } = cluster._options;
  return {
    keyPrefix: `${keyPrefix ?? ""}`,
    open: (channel) =>
      new ClusterDriver(
        cluster.duplicate({
          defaults: { ...defaults, ...clientOptions(defaults, timeoutMs) },
          commandOptions: undefined,
          clientSideCache: undefined,
          keyPrefix: undefined,
          useReplicas: false,
          // The store's keys are on one node.
          minimizeConnections: true,
        }),
        channel,
        timeoutMs,
      ),
  };
}

/** node-redis must not reconnect by itself, since the store has to know which writes were lost. */
function clientOptions({ socket }: ClientOptions, timeoutMs: number) {
  return {
    socket: { ...socket, reconnectStrategy: false, connectTimeout: timeoutMs, socketTimeout: undefined },
    disableOfflineQueue: true,
    commandOptions: undefined,
    commandsQueueMaxLength: undefined,
    clientSideCache: undefined,
    emitInvalidate: false,
    keyPrefix: undefined,
    pingInterval: undefined,
    readonly: false,
  };
}

function copyOf(client: Client, timeoutMs: number): Connection {
  return new Connection(client.duplicate(clientOptions(client.options ?? {}, timeoutMs)));
}

/** Connects once, and tells its end. */
class Connection {
  readonly client: Client;
  readonly ended: Promise<void>;
  #connecting: Promise<unknown> | undefined;
  /** The socket is connected, and the client's first commands may be under way. */
  #reached = false;

  constructor(client: Client) {
    this.client = client;
    this.ended = new Promise((resolve) => {
      client.on("end", resolve);
      // A lost connection is an error after which the client is not open.
      client.on("error", () => client.isOpen || resolve());
    });
    client.on("connect", () => {
      this.#reached = true;
    });
    // A call keeps the process alive until it is answered. A connection does not.
    client.unref();
  }

  async connect(): Promise<void> {
    this.#connecting = this.client.connect();
    try {
      await this.#connecting;
    } finally {
      this.#connecting = undefined;
    }
    // Some versions connect although they were destroyed meanwhile.
    if (!this.client.isOpen) throw new Error("The connection was closed");
  }

  async close(): Promise<void> {
    // A client that is destroyed before it has a socket may open one all the same.
    if (this.#connecting && !this.#reached) void this.#connecting.then(() => this.#destroy()).catch(() => undefined);
    else this.#destroy();
  }

  #destroy(): void {
    if (this.client.isOpen) this.client.destroy();
  }
}

/** The type of a reply's strings, in the protocol. */
const BULK_STRING = "$".charCodeAt(0);

/**
 * Replies come as bytes. node-redis before 5.9 decodes each chunk of a long string by itself, and
 * so breaks a character that lies in two chunks.
 */
const AS_BYTES = { typeMapping: { [BULK_STRING]: Buffer } };

function textsOf(reply: unknown): unknown {
  if (reply instanceof Buffer) return reply.toString();
  return Array.isArray(reply) ? reply.map(textsOf) : reply;
}

/** The arguments of `EVAL` and `EVALSHA`. */
function evalArguments(command: string, script: string, keys: readonly string[], args: readonly string[]): string[] {
  return [command, script, `${keys.length}`, ...keys, ...args];
}

/** A connection to one server. node-redis sends the commands of a turn together. */
class NodeDriver implements Driver {
  readonly #connection: Connection;
  readonly #client: Client;
  readonly #channel: string;
  readonly #timeoutMs: number;

  constructor(connection: Connection, channel: string, timeoutMs: number) {
    this.#connection = connection;
    this.#client = connection.client;
    this.#channel = channel;
    this.#timeoutMs = timeoutMs;
  }

  get ready(): boolean {
    return this.#client.isReady && this.#client.isOpen;
  }

  connect(): Promise<void> {
    return this.#connection.connect();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  eval(lua: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.#send(evalArguments("EVAL", lua, keys, args));
  }

  evalsha(sha1: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.#send(evalArguments("EVALSHA", sha1, keys, args));
  }

  hmget(key: string, fields: readonly string[]): Promise<unknown> {
    return this.#send(["HMGET", key, ...fields]);
  }

  async subscriber(): Promise<Subscriber> {
    return new NodeRedisSubscriber(copyOf(this.#client, this.#timeoutMs), this.#channel);
  }

  async #send(args: readonly string[]): Promise<unknown> {
    return textsOf(await this.#client.sendCommand(args, AS_BYTES));
  }
}

/** Connections to a cluster. Only the node of the store's slot gets one. */
class ClusterDriver implements Driver {
  readonly #cluster: Cluster;
  readonly #channel: string;
  readonly #timeoutMs: number;
  #ready = false;
  #closed = false;

  constructor(cluster: Cluster, channel: string, timeoutMs: number) {
    this.#cluster = cluster;
    this.#channel = channel;
    this.#timeoutMs = timeoutMs;
    // Failures come as rejections.
    cluster.on("error", () => undefined);
  }

  get ready(): boolean {
    return this.#ready;
  }

  async connect(): Promise<void> {
    await this.#cluster.connect();
    const node = await this.#node();
    node.on("error", () => this.#destroy());
    this.#ready = node.isOpen && !this.#closed;
    if (this.#ready) return;
    this.#destroy();
    throw new Error("The connection was closed");
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#destroy();
  }

  #destroy(): void {
    this.#ready = false;
    const nodes = [...this.#cluster.masters, ...this.#cluster.replicas];
    try {
      this.#cluster.destroy();
    } catch {
      // It throws at the first client that has ended. After a failover, others may be connected.
      for (const { client } of nodes) if (client?.isOpen) client.destroy();
    }
  }

  eval(lua: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.#send(evalArguments("EVAL", lua, keys, args));
  }

  evalsha(sha1: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.#send(evalArguments("EVALSHA", sha1, keys, args));
  }

  hmget(key: string, fields: readonly string[]): Promise<unknown> {
    return this.#send(["HMGET", key, ...fields]);
  }

  async subscriber(): Promise<Subscriber> {
    return new NodeRedisSubscriber(copyOf(await this.#node(), this.#timeoutMs), this.#channel);
  }

  /** The primary of the store's slot. */
  async #node(): Promise<Client> {
    // After a failover, a command on the key makes node-redis find its new node.
    await this.#send(["EXISTS", this.#channel]);
    const slot = (await this.#send(["CLUSTER", "KEYSLOT", this.#channel])) as number;
    const shard = this.#cluster.slots[slot];
    if (!shard) throw new Error("The cluster has no node for the store's slot");
    const node = await this.#cluster.nodeClient(shard.master);
    node.unref();
    return node;
  }

  async #send(args: readonly string[]): Promise<unknown> {
    try {
      return textsOf(await this.#cluster.sendCommand(this.#channel, false, args, AS_BYTES));
    } catch (error) {
      // After a failover, the node may be another one than at first.
      if (!isReply(error)) this.#destroy();
      throw error;
    }
  }
}

class NodeRedisSubscriber implements Subscriber {
  readonly ended: Promise<void>;
  readonly #connection: Connection;
  readonly #channel: string;

  constructor(connection: Connection, channel: string) {
    this.#connection = connection;
    this.#channel = channel;
    this.ended = connection.ended;
  }

  async subscribe(hear: (signal: string) => void): Promise<void> {
    await this.#connection.connect();
    const { client } = this.#connection;
    // The slot has moved to another node.
    client.on("sharded-channel-moved", () => void this.close());
    await client.sSubscribe(this.#channel, hear);
  }

  ping(): Promise<unknown> {
    return this.#connection.client.sendCommand(["PING"], AS_BYTES);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
