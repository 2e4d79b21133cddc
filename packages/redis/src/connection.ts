import { TaskStoreError } from "@mcp-task-store/core";
import { type Context, presentContext, realTime, unavailable } from "@mcp-task-store/core/backend";
import { Deadlines, type Timed, within } from "./deadlines.ts";
import type { Corkable, Driver } from "./driver.ts";
import {
  hasCode,
  isDemoted,
  isLasting,
  isPassing,
  isReply,
  notRun,
  toStoreError,
  unanswered,
  unreachable,
} from "./errors.ts";

/** Whether a command may be sent again if its answer is lost. */
export type Repeatable = "repeatable" | "once";

/** Sends something on a connection that is ready. */
type Send = (driver: Driver) => Promise<unknown>;

/** A command to send, with its callbacks. */
export interface Request {
  readonly send: Send;
  /** Sent instead if the server does not know the script. */
  readonly sendScript?: Send | undefined;
  readonly repeatable: Repeatable;
  /** The deadline on the monotonic clock. Default: now plus the command timeout. */
  readonly until?: number | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: TaskStoreError) => void;
}

/** A request that is under way. */
interface Call extends Timed {
  readonly request: Request;
  send: Send;
  attempts: number;
  /** The deadline has passed. */
  over: boolean;
  /** The server may have received the command. */
  sent: boolean;
  /** The connection's answers until it got the command, if that was at the start of its time. */
  answers: number | undefined;
  /** Why the last attempt failed. */
  cause: unknown;
}

/**
 * Runs commands in bounded time. A command that writes is sent at most once. Connects lazily, when
 * a command needs a connection.
 */
export class Connections {
  readonly #open: () => Driver;
  readonly #timeoutMs: number;
  /** The store's async context, because a connection outlives the call that opened it. */
  readonly #inContext: Context = presentContext();
  readonly #deadlines = new Deadlines<Call>((call) => this.#expire(call));
  readonly #sent = new Set<Promise<unknown>>();
  #driver: Driver | undefined;
  #connecting: Promise<Driver> | undefined;
  #scripts = new Set<string>();
  /** Counts answers, to find a connection that gives none. */
  #answers = 0;
  /** Resolves when the abandoned connections have ended. */
  #left: Promise<unknown> = Promise.resolve();
  /** A call has timed out without a connection. Until there is one again, others fail early. */
  #down = false;
  /** The corked sockets, and the number of commands in them. */
  #corked: readonly Corkable[] = [];
  #gathered = 0;
  #closed = false;

  /** @param open Makes a connection, which connects later. */
  constructor(open: () => Driver, timeoutMs: number) {
    this.#open = open;
    this.#timeoutMs = timeoutMs;
  }

  use<T>(send: (driver: Driver) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.start({ send, repeatable: "repeatable", resolve: resolve as (value: unknown) => void, reject });
    });
  }

  /**
   * Callbacks save promises. (With async functions: eight promises instead of three, and +8 % of
   * this process's CPU per lifecycle.)
   */
  start(request: Request): void {
    const call: Call = {
      request,
      send: request.send,
      until: request.until ?? realTime.now() + this.#timeoutMs,
      attempts: 0,
      over: false,
      sent: false,
      answers: this.#driver?.ready ? this.#answers : undefined,
      cause: undefined,
    };
    this.#deadlines.add(call);
    this.#start(call);
  }

  /** The names of the scripts that the server of the present connection has run. */
  get scripts(): Set<string> {
    return this.#scripts;
  }

  /** Closes the connection after a failed opening. The next call makes another. */
  reset(): Promise<void> {
    return this.#driver?.close() ?? Promise.resolve();
  }

  /** Resolves when every sent command is answered or has timed out. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#sent);
    await this.#driver?.close();
    await this.#left;
  }

  #start(call: Call): void {
    if (this.#driver?.ready) this.#send(call, this.#driver);
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
      // The command is longer than the longest string.
      return void this.#failed(call, error);
    }
    this.#sent.add(sent);
    sent.then(
      (value) => {
        this.#sent.delete(sent);
        this.#answers += 1;
        // The call was rejected at its deadline.
        if (call.over) return;
        this.#deadlines.delete(call);
        call.request.resolve(value);
      },
      (error) => {
        this.#sent.delete(sent);
        this.#answers += 1;
        if (isDemoted(error)) this.#leave(driver);
        this.#failed(call, error);
      },
    );
  }

  #failed(call: Call, error: unknown): void {
    // The server was restarted, or forgot its scripts.
    const { sendScript, repeatable } = call.request;
    if (sendScript && call.send !== sendScript && hasCode(error, "NOSCRIPT")) {
      call.send = sendScript;
      call.sent = false;
      return void this.#start(call);
    }
    if (isLasting(error)) return void this.#refuse(call, toStoreError(error));
    const again = isPassing(error) || (repeatable === "repeatable" && !isReply(error));
    if (call.sent && !again) return void this.#refuse(call, toStoreError(error));
    if (this.#down && !call.sent) return void this.#refuse(call, unreachable(error));
    call.sent = false;
    call.cause = toStoreError(error).cause;
    if (call.over || this.#closed) return void this.#giveUp(call);
    const pause = Math.min(20 * 2 ** call.attempts, 500);
    call.attempts += 1;
    realTime.setTimeout(() => (call.over || this.#closed ? this.#giveUp(call) : this.#start(call)), pause);
  }

  /**
   * The primary may have become a replica, and the next connection may reach its successor.
   * Commands sent on this one are answered first, or their writes would be unknown.
   */
  #leave(driver: Driver): void {
    if (driver !== this.#driver) return;
    this.#driver = undefined;
    this.#left = Promise.all([this.#left, Promise.allSettled(this.#sent).then(() => driver.close())]);
  }

  #expire(call: Call): void {
    call.over = true;
    if (!call.sent) this.#down = true;
    // The next call may find a live server.
    else if (call.answers === this.#answers) void this.#driver?.close();
    const late = new Error(`No answer within ${this.#timeoutMs} ms`);
    if (!call.sent) call.request.reject(notRun(call.cause ?? late));
    else if (call.request.repeatable === "once") call.request.reject(unanswered(late));
    else call.request.reject(unavailable("Redis has not answered", late));
  }

  #giveUp(call: Call): void {
    this.#refuse(
      call,
      this.#closed ? new TaskStoreError("STORE_CLOSED", "The connection to Redis is closed") : notRun(call.cause),
    );
  }

  #refuse(call: Call, error: TaskStoreError): void {
    if (call.over) return;
    this.#deadlines.delete(call);
    call.request.reject(error);
  }

  /**
   * Commands of one turn of the event loop leave in groups, each a quarter of the commands in
   * flight, to save system calls. A single group would leave the server idle while this process
   * works. (At 64 in flight, one system call per command took a third of this process's CPU.)
   */
  #gather(driver: Driver): void {
    if (!driver.sockets) return;
    const most = this.#sent.size / 4;
    if (this.#gathered >= most) this.#release();
    if (most < 2) return;
    if (this.#gathered === 0) {
      this.#corked = driver.sockets();
      for (const stream of this.#corked) stream.cork();
      realTime.nextTick(this.#release);
    }
    this.#gathered += 1;
  }

  readonly #release = (): void => {
    for (const stream of this.#corked) stream.uncork();
    this.#corked = [];
    this.#gathered = 0;
  };

  #connect(): Promise<Driver> {
    this.#connecting ??= this.#inContext(() => this.#reconnect()).finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #reconnect(): Promise<Driver> {
    if (this.#closed) throw new TaskStoreError("STORE_CLOSED", "The connection to Redis is closed");
    const driver = this.#open();
    this.#driver = driver;
    this.#scripts = new Set();
    this.#answers += 1;
    try {
      await within(this.#timeoutMs, driver.connect());
    } catch (error) {
      void driver.close();
      throw error;
    }
    this.#down = false;
    return driver;
  }
}
