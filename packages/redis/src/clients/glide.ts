import { realTime } from "@mcp-task-store/core/backend";
import type { Driver, Drivers, GlideClusterClient, Subscriber } from "../driver.ts";

/** How often a subscriber asks whether its connection is still the same. */
const CHECK_MS = 1000;

/** valkey-glide's numbers for strings, RESP3, and sharded channels. */
const STRINGS = 1;
const RESP3 = 0;
const SHARDED = 2;

interface Client {
  /** valkey-glide's own, which its types hide. */
  readonly config: { readonly advancedConfiguration?: object };
  readonly socket?: { unref?(): unknown };
  customCommand(args: readonly string[], options: object): Promise<unknown>;
  close(): void;
}

interface ClientClass {
  createClient(config: object): Promise<Client>;
}

/** Makes another client like the given one, with other settings. */
type Create = (override: object) => Promise<Client>;

/** Only clients for a cluster have `ssubscribe`. */
export function isGlideCluster(client: object): client is GlideClusterClient {
  const { config, customCommand, ssubscribe } = client as Partial<GlideClusterClient & Client>;
  const { createClient } = client.constructor as Partial<ClientClass>;
  return (
    typeof config === "object" && [customCommand, ssubscribe, createClient].every((each) => typeof each === "function")
  );
}

/** Connections with the settings of a `GlideClusterClient`. */
export function glideClusterDrivers(given: GlideClusterClient, timeoutMs: number): Drivers {
  const { config } = given as unknown as Client;
  const clientClass = given.constructor as unknown as ClientClass;
  const create: Create = async (override) => {
    const client = await clientClass.createClient({
      ...config,
      advancedConfiguration: { ...config.advancedConfiguration, connectionTimeout: timeoutMs },
      requestTimeout: timeoutMs,
      readFrom: "primary",
      defaultDecoder: STRINGS,
      lazyConnect: false,
      pubsubSubscriptions: undefined,
      compression: undefined,
      clientSideCache: undefined,
      ...override,
    });
    // A call keeps the process alive until it is answered. A connection does not.
    client.socket?.unref?.();
    return client;
  };
  return { keyPrefix: "", open: (channel) => new GlideDriver(create, channel) };
}

/** A command that waits for those before it. */
interface Waiting {
  readonly args: readonly string[];
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

/**
 * Connections to a cluster. valkey-glide does not keep the order of commands, so each waits for the
 * answer of the one before.
 */
class GlideDriver implements Driver {
  readonly #create: Create;
  readonly #channel: string;
  #client: Client | undefined;
  #closed = false;
  #busy = false;
  #waiting: Waiting[] = [];

  constructor(create: Create, channel: string) {
    this.#create = create;
    this.#channel = channel;
  }

  get ready(): boolean {
    return this.#client !== undefined && !this.#closed;
  }

  async connect(): Promise<void> {
    const client = await this.#create({});
    if (this.#closed) client.close();
    else this.#client = client;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#client?.close();
    this.#fail(new NotSent("TRYAGAIN The connection is closed"));
  }

  eval(lua: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.#send(["EVAL", lua, `${keys.length}`, ...keys, ...args]);
  }

  evalsha(sha1: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.#send(["EVALSHA", sha1, `${keys.length}`, ...keys, ...args]);
  }

  hmget(key: string, fields: readonly string[]): Promise<unknown> {
    return this.#send(["HMGET", key, ...fields]);
  }

  async subscriber(): Promise<Subscriber> {
    return new GlideSubscriber(this.#create, this.#channel);
  }

  #send(args: readonly string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ args, resolve, reject });
      if (!this.#busy) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    for (;;) {
      const next = this.#waiting.shift();
      if (!next) break;
      try {
        next.resolve(await send(this.#client as Client, this.#channel, next.args));
      } catch (error) {
        next.reject(error);
        // Later commands would reach the server after their time.
        if (!(error instanceof ReplyError) || error instanceof NotSent) void this.close();
      }
    }
    this.#busy = false;
  }

  #fail(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

/** The primary of the store's slot is asked, whatever the command. */
function send(client: Client, channel: string, args: readonly string[]): Promise<unknown> {
  return client.customCommand(args, { route: { type: "primarySlotKey", key: channel } }).catch((error: unknown) => {
    throw toReply(error) ?? error;
  });
}

/** An answer of the server, with its code first as other clients have it. */
class ReplyError extends Error {
  override readonly name = "ReplyError";
}

/** Another attempt is as safe as after the server's own `TRYAGAIN`. */
class NotSent extends ReplyError {}

/** The server's codes by valkey-glide's names of them. Other codes it leaves as they are. */
const CODES: Readonly<Record<string, string>> = {
  ResponseError: "ERR",
  NoScriptError: "NOSCRIPT",
  BusyLoadingError: "LOADING",
  ClusterDownError: "CLUSTERDOWN",
  MasterDownError: "MASTERDOWN",
  TryAgainError: "TRYAGAIN",
  ReadOnlyError: "READONLY",
  AuthenticationFailed: "WRONGPASS",
  PermissionDenied: "NOPERM",
};

function toReply(error: unknown): ReplyError | undefined {
  if (!(error instanceof Error)) return undefined;
  // A command that valkey-glide did not send, since it was reconnecting or knows no connection.
  if (/^Connection in recovery|ConnectionNotFoundForRoute/.test(error.message))
    return new NotSent(`TRYAGAIN ${error.message}`, { cause: error });
  const [, name = "", text = ""] =
    /^(?:An error was signalled by the server: - )?(\w+): (.*)/s.exec(error.message) ?? [];
  const code = CODES[name] ?? (/^[A-Z]+$/.test(name) ? name : undefined);
  return code === undefined ? undefined : new ReplyError(`${code} ${text}`, { cause: error });
}

/**
 * valkey-glide reconnects and subscribes again without a word. The id of the connection tells that
 * signals may have been missed.
 */
class GlideSubscriber implements Subscriber {
  readonly ended: Promise<void>;
  readonly #create: Create;
  readonly #channel: string;
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #end: () => void = () => undefined;

  constructor(create: Create, channel: string) {
    this.#create = create;
    this.#channel = channel;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  async subscribe(hear: (signal: string) => void): Promise<void> {
    const client = await this.#create({
      protocol: RESP3,
      pubsubSubscriptions: {
        channelsAndPatterns: { [SHARDED]: new Set([this.#channel]) },
        callback: ({ message }: { message: string }) => hear(message),
      },
    });
    this.#client = client;
    if (this.#closed) return client.close();
    const id = await this.ping();
    this.#check(id);
  }

  #check(id: unknown): void {
    this.#timer = realTime
      .setTimeout(() => {
        this.ping().then(
          (now) => (now === id ? this.#closed || this.#check(id) : this.close()),
          () => this.close(),
        );
      }, CHECK_MS)
      .unref();
  }

  ping(): Promise<unknown> {
    return send(this.#client as Client, this.#channel, ["CLIENT", "ID"]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    realTime.clearTimeout(this.#timer);
    this.#client?.close();
    this.#end();
  }
}
