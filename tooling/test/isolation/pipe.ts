import type { Caller, Expects, Message } from "./wire.ts";
import { outgoing } from "./wire.ts";

type Sent = Record<string, unknown>;

/** What both generations of the SDK call a transport, as far as a pipe needs it. */
interface Transport {
  onmessage?: ((message: never) => void) | undefined;
  start(): Promise<void>;
  send(message: never): Promise<void>;
  close(): Promise<void>;
}

/** The client's end of a connection that carries messages in both directions. */
export class Pipe {
  readonly #transport: Transport;
  readonly #received: Sent[] = [];
  #waiting: (() => void)[] = [];

  constructor(transport: Transport) {
    this.#transport = transport;
    transport.onmessage = (message: Sent) => {
      this.#received.push(message);
      for (const wake of this.#waiting.splice(0)) wake();
    };
  }

  start(): Promise<void> {
    return this.#transport.start();
  }

  /** Introduces the client, as 2025-11-25 needs it. */
  async initialize(capabilities: object = {}): Promise<void> {
    const clientInfo = { name: "isolation", version: "1.0.0" };
    const params = { protocolVersion: "2025-11-25", capabilities, clientInfo };
    await this.#answer({ method: "initialize", params });
    await this.#send(outgoing({ method: "notifications/initialized" }).body);
    this.#received.length = 0;
  }

  /** @param probe A request with an answer, by which a message without one is done. */
  async exchange(message: Message, expects: Expects, probe: Message): Promise<string> {
    this.#received.length = 0;
    const { id, body } = outgoing(message);
    await this.#send(body);
    const isRequest = message.method !== undefined && body["id"] !== undefined;
    if (isRequest && expects === "answer") await this.#until(id);
    else await this.#answer(probe);
    return this.#received.map((each) => JSON.stringify(each).replaceAll(id, "REQUEST")).join("\n");
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  async #answer(message: Message): Promise<void> {
    const { id, body } = outgoing(message);
    await this.#send(body);
    await this.#until(id);
    this.#received.splice(
      this.#received.findIndex((each) => each["id"] === id),
      1,
    );
  }

  #send(body: Sent): Promise<void> {
    return this.#transport.send(body as never);
  }

  async #until(id: string): Promise<void> {
    while (!this.#received.some((each) => each["id"] === id && !("method" in each)))
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

/** A pipe for each caller, each to a server of its own. */
export class Pipes {
  readonly #pipes = new Map<string, Promise<Pipe>>();
  readonly #open: (caller: Caller) => Promise<Pipe>;

  constructor(open: (caller: Caller) => Promise<Pipe>) {
    this.#open = open;
  }

  of(caller: Caller): Promise<Pipe> {
    const known = this.#pipes.get(caller.name);
    if (known) return known;
    const made = this.#open(caller);
    this.#pipes.set(caller.name, made);
    return made;
  }

  async close(): Promise<void> {
    for (const pipe of this.#pipes.values()) await (await pipe).close();
  }
}
