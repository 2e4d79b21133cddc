import { TaskStoreError } from "@mcp-task-store/core";
import { type Driver, type Drivers, type NodeStream, streamsOf } from "./driver.ts";
import {
  hasCode,
  isLasting,
  isPassing,
  isReply,
  toStoreError,
  unanswered,
  unavailable,
  unreachable,
} from "./errors.ts";

/** A Lua script that ships with the package. */
export interface Command {
  readonly sha1: string;
  readonly lua: string;
}

/** What may be done to a command whose answer was lost. */
export type Repeatable = "repeatable" | "once";

/** Sends something on a connection that is ready. */
type Send = (driver: Driver) => Promise<unknown>;

/** A call that is under way. */
interface Call {
  send: Send;
  /** What is sent instead when the server does not know the script. */
  readonly sendScript: Send | undefined;
  readonly repeatable: Repeatable;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: TaskStoreError) => void;
  attempts: number;
  /** The deadline has passed. */
  over: boolean;
  /** The server may have got the command. */
  sent: boolean;
  /** Why it was not sent yet. */
  cause: unknown;
}

/** Runs commands, each within a bounded time; those that write, at most once. Connects when a command needs it. */
export class Connection {
  readonly #drivers: Drivers;
  readonly #timeoutMs: number;
  readonly #sent = new Set<Promise<unknown>>();
  #driver: Driver | undefined;
  #connecting: Promise<Driver> | undefined;
  /** A call has waited its full time in vain; until there is a connection again, others need not. */
  #down = false;
  /** Sockets that hold back what is written to them, and how many commands they hold. */
  #corked: NodeStream[] = [];
  #gathered = 0;
  #closed = false;

  constructor(drivers: Drivers, timeoutMs: number) {
    this.#drivers = drivers;
    this.#timeoutMs = timeoutMs;
  }

  run(
    { sha1, lua }: Command,
    keys: readonly string[],
    args: readonly string[],
    repeatable: Repeatable,
  ): Promise<unknown> {
    return this.use(
      (driver) => driver.evalsha(sha1, keys.length, ...keys, ...args),
      repeatable,
      (driver) => driver.eval(lua, keys.length, ...keys, ...args),
    );
  }

  /** With callbacks: async functions made eight promises of three, and a twelfth more work of a task's life in this process. */
  use<T>(
    send: (driver: Driver) => Promise<T>,
    repeatable: Repeatable,
    sendScript?: (driver: Driver) => Promise<T>,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const call: Call = {
        send,
        sendScript,
        repeatable,
        timer: setTimeout(() => this.#expire(call), this.#timeoutMs),
        resolve: resolve as (value: unknown) => void,
        reject,
        attempts: 0,
        over: false,
        sent: false,
        cause: undefined,
      };
      this.#start(call);
    });
  }

  /** Ends when what was sent is answered, or given up. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#sent);
    await disconnect(this.#driver);
  }

  #start(call: Call): void {
    if (this.#driver?.status === "ready") this.#send(call, this.#driver);
    else
      this.#connect().then(
        (driver) => this.#send(call, driver),
        (error) => this.#failed(call, error),
      );
  }

  #send(call: Call, driver: Driver): void {
    if (call.over || this.#closed) return void this.#giveUp(call);
    call.sent = true;
    this.#gather(driver);
    let sent: Promise<unknown>;
    try {
      sent = call.send(driver);
    } catch (error) {
      // Longer than a string can be.
      return void this.#failed(call, error);
    }
    this.#sent.add(sent);
    sent.then(
      (value) => {
        this.#sent.delete(sent);
        clearTimeout(call.timer);
        call.resolve(value);
      },
      (error) => {
        this.#sent.delete(sent);
        this.#failed(call, error);
      },
    );
  }

  #failed(call: Call, error: unknown): void {
    // The server was restarted, or told to forget its scripts.
    if (call.sendScript && call.send !== call.sendScript && hasCode(error, "NOSCRIPT")) {
      call.send = call.sendScript;
      call.sent = false;
      return void this.#start(call);
    }
    if (isLasting(error)) return void this.#refuse(call, toStoreError(error));
    const again = isPassing(error) || (call.repeatable === "repeatable" && !isReply(error));
    if (call.sent && !again) return void this.#refuse(call, toStoreError(error));
    if (this.#down && !call.sent) return void this.#refuse(call, unreachable(error));
    call.sent = false;
    call.cause = toStoreError(error).cause;
    // What was a primary may have become a replica; the next connection may be to its successor.
    if (hasCode(error, "READONLY")) void disconnect(this.#driver);
    if (call.over || this.#closed) return void this.#giveUp(call);
    const pause = Math.min(20 * 2 ** call.attempts, 500);
    call.attempts += 1;
    setTimeout(() => (call.over || this.#closed ? this.#giveUp(call) : this.#start(call)), pause);
  }

  #expire(call: Call): void {
    call.over = true;
    if (!call.sent) this.#down = true;
    const late = new Error(`No answer within ${this.#timeoutMs} ms`);
    if (!call.sent) call.reject(unreachable(call.cause ?? late));
    else if (call.repeatable === "once") call.reject(unanswered(late));
    else call.reject(unavailable("Redis has not answered", late));
  }

  #giveUp(call: Call): void {
    this.#refuse(
      call,
      this.#closed ? new TaskStoreError("STORE_CLOSED", "The connection to Redis is closed") : unreachable(call.cause),
    );
  }

  #refuse(call: Call, error: TaskStoreError): void {
    clearTimeout(call.timer);
    call.reject(error);
  }

  /**
   * What is sent in one turn of the event loop leaves in groups, of a quarter of what is under way: a system call for each command
   * was a third of this process's work with 64 under way. All at once would leave the server idle while this process works.
   */
  #gather(driver: Driver): void {
    const most = this.#sent.size / 4;
    if (this.#gathered >= most) this.#release();
    if (most < 2) return;
    if (this.#gathered === 0) {
      this.#corked = streamsOf(driver);
      for (const stream of this.#corked) stream.cork();
      process.nextTick(this.#release);
    }
    this.#gathered += 1;
  }

  readonly #release = (): void => {
    for (const stream of this.#corked) stream.uncork();
    this.#corked = [];
    this.#gathered = 0;
  };

  #connect(): Promise<Driver> {
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #open(): Promise<Driver> {
    if (this.#closed) throw new TaskStoreError("STORE_CLOSED", "The connection to Redis is closed");
    const driver = this.#drivers.open();
    this.#driver = driver;
    await connect(driver);
    this.#down = false;
    return driver;
  }
}

/** Connects; when that fails, rejects with what the server or the system said, and not with what followed from it. */
export async function connect(driver: Driver): Promise<void> {
  let reason: unknown;
  driver.on("error", (error: Error) => {
    reason ??= error;
  });
  try {
    await driver.connect();
  } catch (error) {
    void disconnect(driver);
    throw reason ?? error;
  }
}

/** Ends the connection; resolves once it has ended. */
export async function disconnect(driver: Driver | undefined): Promise<void> {
  if (!driver || driver.status === "end") return;
  const ended = new Promise<void>((resolve) => driver.once("end", resolve));
  driver.disconnect();
  await ended;
}
