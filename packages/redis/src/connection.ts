import { TaskStoreError } from "@mcp-task-store/core";
import { type Driver, type Drivers, streamsOf } from "./driver.ts";
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

/** A call that is under way. */
interface Call {
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
  #gathering = false;
  #closed = false;

  constructor(drivers: Drivers, timeoutMs: number) {
    this.#drivers = drivers;
    this.#timeoutMs = timeoutMs;
  }

  run(command: Command, keys: readonly string[], args: readonly string[], repeatable: Repeatable): Promise<unknown> {
    return this.use((driver) => evaluate(driver, command, keys, args), repeatable);
  }

  /** Sends something on a connection that is ready. */
  use<T>(send: (driver: Driver) => Promise<T>, repeatable: Repeatable): Promise<T> {
    const call: Call = { over: false, sent: false, cause: undefined };
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        call.over = true;
        if (!call.sent) this.#down = true;
        const late = new Error(`No answer within ${this.#timeoutMs} ms`);
        if (!call.sent) reject(unreachable(call.cause ?? late));
        else reject(repeatable === "once" ? unanswered(late) : unavailable("Redis has not answered", late));
      }, this.#timeoutMs);
      const running = this.#attempt(call, send, repeatable);
      running.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  /** Ends when what was sent is answered, or given up. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#sent);
    await disconnect(this.#driver);
  }

  async #attempt<T>(call: Call, send: (driver: Driver) => Promise<T>, repeatable: Repeatable): Promise<T> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const driver = this.#driver?.status === "ready" ? this.#driver : await this.#connect();
        if (call.over || this.#closed) break;
        call.sent = true;
        this.#gather(driver);
        return await this.#tracked(send(driver));
      } catch (error) {
        if (isLasting(error)) throw toStoreError(error);
        const again = isPassing(error) || (repeatable === "repeatable" && !isReply(error));
        if (call.sent && !again) throw toStoreError(error);
        if (this.#down && !call.sent) throw unreachable(error);
        call.sent = false;
        call.cause = toStoreError(error).cause;
        // What was a primary may have become a replica; the next connection may be to its successor.
        if (hasCode(error, "READONLY")) void disconnect(this.#driver);
      }
      if (call.over || this.#closed) break;
      await new Promise((resolve) => setTimeout(resolve, Math.min(20 * 2 ** attempt, 500)));
      if (call.over || this.#closed) break;
    }
    throw this.#closed
      ? new TaskStoreError("STORE_CLOSED", "The connection to Redis is closed")
      : unreachable(call.cause);
  }

  /**
   * What is sent in one turn of the event loop leaves in one packet, and a server that flushes its file for each flushes less often.
   */
  #gather(driver: Driver): void {
    if (this.#gathering) return;
    this.#gathering = true;
    const streams = streamsOf(driver);
    for (const stream of streams) stream.cork();
    process.nextTick(() => {
      this.#gathering = false;
      for (const stream of streams) stream.uncork();
    });
  }

  async #tracked<T>(sent: Promise<T>): Promise<T> {
    this.#sent.add(sent);
    try {
      return await sent;
    } finally {
      this.#sent.delete(sent);
    }
  }

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

async function evaluate(
  driver: Driver,
  { sha1, lua }: Command,
  keys: readonly string[],
  args: readonly string[],
): Promise<unknown> {
  try {
    return await driver.evalsha(sha1, keys.length, ...keys, ...args);
  } catch (error) {
    // The server was restarted, or told to forget its scripts.
    if (!hasCode(error, "NOSCRIPT")) throw error;
    return await driver.eval(lua, keys.length, ...keys, ...args);
  }
}
