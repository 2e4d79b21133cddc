import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A fault for one answer or one command in transit. */
type Harm = "lose an answer" | "cut a command";

/** Passes connections on to a server, with faults on demand. */
export class TcpProxy {
  readonly port: number;
  #target: URL;
  readonly #sockets = new Set<Socket>();
  readonly #toServer = new Set<Socket>();
  #server: Server;
  #slow: { readonly delayMs: number; readonly bytes: number } | undefined;
  #harm: Harm | undefined;
  #harmed = 0;
  #sent = 0;
  #received = 0;

  private constructor(server: Server, target: URL) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    this.#target = target;
    server.on("connection", (socket) => this.#pass(socket));
  }

  static async start(url: string): Promise<TcpProxy> {
    return new TcpProxy(await listening(0), new URL(url));
  }

  get url(): string {
    const url = new URL(this.#target);
    url.hostname = "127.0.0.1";
    url.port = String(this.port);
    return String(url);
  }

  /** Connections from now on lead to this server. Those that are open stay. */
  leadTo(url: string): void {
    this.#target = new URL(url);
  }

  /** The number of open sockets, to clients and to the server. */
  get sockets(): number {
    return this.#sockets.size;
  }

  /** The number of lost answers and cut commands. */
  get harmed(): number {
    return this.#harmed;
  }

  /** Bytes that clients have sent and received so far. */
  get traffic(): { readonly sent: number; readonly received: number } {
    return { sent: this.#sent, received: this.#received };
  }

  /** Cuts every connection and refuses new ones until `end`. */
  async begin(): Promise<void> {
    const closed = this.#server.listening ? once(this.#server, "close") : undefined;
    this.#server.close();
    this.cut();
    await closed;
  }

  async end(): Promise<void> {
    this.#server = await listening(this.port);
    this.#server.on("connection", (socket) => this.#pass(socket));
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /**
   * Ends the clients' direction of every connection, which stays open for answers, as after a
   * shutdown of one side.
   */
  halfClose(): void {
    for (const socket of this.#toServer) socket.end();
  }

  /** The next command arrives in half, or runs and loses its answer. Then its connection is cut. */
  harmNext(harm: Harm | undefined): void {
    this.#harm = harm;
  }

  /** Sends data in pieces of this size, with this delay between them, from now on. */
  slowDown(how: { readonly delayMs: number; readonly bytes: number } | undefined): void {
    this.#slow = how;
  }

  #pass(client: Socket): void {
    const server = connect({ port: Number(this.#target.port), host: this.#target.hostname, allowHalfOpen: true });
    this.#toServer.add(server);
    server.on("close", () => this.#toServer.delete(server));
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    let asked = false;
    this.#forward(client, server, (data) => {
      this.#sent += data.length;
      asked = this.#harm === "lose an answer";
      if (this.#harm !== "cut a command") return true;
      this.#hurt();
      server.end(data.subarray(0, data.length / 2), () => client.destroy());
      return false;
    });
    this.#forward(server, client, (data) => {
      this.#received += data.length;
      if (this.#harm !== "lose an answer" || !asked) return true;
      this.#hurt();
      client.destroy();
      return false;
    });
  }

  #hurt(): void {
    this.#harm = undefined;
    this.#harmed += 1;
  }

  #forward(from: Socket, to: Socket, mayPass: (data: Buffer) => boolean): void {
    let before: Promise<void> | undefined;
    from.on("data", (data) => {
      if (!mayPass(data)) return;
      if (!this.#slow && !before) {
        if (!to.write(data)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
        return;
      }
      const { delayMs, bytes } = this.#slow ?? { delayMs: 0, bytes: data.length };
      before = (before ?? Promise.resolve()).then(async () => {
        for (let at = 0; at < data.length && !to.destroyed; at += bytes) {
          await sleep(delayMs);
          to.write(data.subarray(at, at + bytes));
        }
      });
    });
    from.on("end", () => void (before ?? Promise.resolve()).then(() => to.end()));
  }
}

async function listening(port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }).listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}
