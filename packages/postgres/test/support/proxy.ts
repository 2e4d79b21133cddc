import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface ProxyOptions {
  /** Drops notifications, like a pooler in transaction mode. */
  dropNotifications?: boolean;
  /** Refuses connections that ask for this setting, as poolers refuse unknown ones. */
  refusedSetting?: string;
  /** Says after the sign that a connection is ready, in one packet, that the server ends it. */
  endsReady?: boolean;
}

/** A proxy for a PostgreSQL server that can cut, stall and refuse connections. */
export class PostgresProxy {
  readonly #target: URL;
  readonly #options: ProxyOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;
  #paused = false;

  private constructor(target: URL, options: ProxyOptions) {
    this.#target = target;
    this.#options = options;
  }

  static async start(target: string, options: ProxyOptions = {}): Promise<PostgresProxy> {
    const proxy = new PostgresProxy(new URL(target), options);
    await proxy.begin();
    return proxy;
  }

  get url(): string {
    const url = new URL(this.#target);
    url.hostname = "127.0.0.1";
    url.port = String(this.#port);
    return String(url);
  }

  async begin(): Promise<void> {
    this.#server = createServer((client) => this.#accept(client));
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Cuts every connection and refuses new ones until `begin`. */
  async end(): Promise<void> {
    const closed = this.#server && once(this.#server, "close");
    this.#server?.close();
    this.cut();
    await closed;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Silently drops all traffic from now on. */
  pause(): void {
    this.#paused = true;
    for (const socket of this.#sockets) socket.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const socket of this.#sockets) socket.resume();
  }

  #accept(client: Socket): void {
    const server = connect(Number(this.#target.port || 5432), this.#target.hostname);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      if (this.#paused) socket.pause();
    }
    const { refusedSetting } = this.#options;
    client.once("data", (startup) => {
      if (refusedSetting && startup.includes(`${refusedSetting}\0`)) client.end(REFUSAL);
    });
    client.on("data", (data) => server.write(data));
    const keep = this.#options.dropNotifications ? withoutNotifications() : (data: Buffer) => data;
    server.on("data", (data) => {
      if (this.#options.endsReady && data.includes(READY)) client.end(Buffer.concat([data, fatal("57P01", "ended")]));
      else client.write(keep(data));
    });
  }
}

/**
 * The server sends messages: a letter, four bytes of length, and a body of that length less four.
 */
function withoutNotifications(): (data: Buffer) => Buffer {
  let rest: Buffer = Buffer.alloc(0);
  return (data) => {
    rest = Buffer.concat([rest, data]);
    const kept: Buffer[] = [];
    while (rest.length >= 5) {
      const length = 1 + rest.readUInt32BE(1);
      if (rest.length < length) break;
      if (String.fromCharCode(rest[0] as number) !== "A") kept.push(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
    return Buffer.concat(kept);
  };
}

/** A connection takes statements, and no transaction is open. */
const READY = Buffer.from("Z\0\0\0\x05I", "latin1");
/** In PgBouncer's words. */
const REFUSAL = fatal("08P01", "unsupported startup parameter");

function fatal(code: string, words: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C${code}\0M${words}\0\0`);
  const head = Buffer.alloc(5, "E");
  head.writeUInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
}
