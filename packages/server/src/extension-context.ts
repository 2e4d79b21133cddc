import { isTaskStoreError, type TaskStore } from "@mcp-task-store/core";
import { reporter } from "@mcp-task-store/core/backend";
import { ProtocolError, ProtocolErrorCode, type ServerContext } from "@modelcontextprotocol/server";
import type { OnError, OpenNow, TaskCaller, TasksExtensionOptions, WithoutTasks } from "./options.ts";
import { Places } from "./places.ts";
import { ANONYMOUS, callerOf, defaultOwner } from "./protocol/callers.ts";

/** The parts that all servers of an extension share. */
export class ExtensionContext {
  readonly store: TaskStore;
  readonly onError: OnError;
  /** Streams of `subscriptions/listen`. */
  readonly subscriptions: Places;
  /**
   * Requests that wait for the end of a task, and tasks that a connection of 2025-11-25 gets
   * notifications of.
   */
  readonly waits: Places;
  /**
   * Answers to `tasks/get` and of fallback tools that wait for a change. They take no place of
   * others.
   */
  readonly polls: Places;
  /** Calls of tools that are being answered. */
  readonly calls: Places;
  /** Bytes of request bodies over HTTP, until their answer begins. */
  readonly bodies: Places;
  /** Milliseconds that `tasks/get` may wait for a change. */
  readonly getWaitMs: number;
  /** How tools answer clients that cannot have a task, unless they say otherwise. */
  readonly withoutTasks: WithoutTasks | undefined;
  /** Called when the extension closes. (A signal would search all its listeners for each poll.) */
  readonly #onClose = new Set<() => void>();
  #closed = false;
  /** HTTP requests that may be repeated, because the store did nothing about them. */
  readonly #repeatable = new WeakSet<Request>();
  readonly #owner: (caller: TaskCaller) => string | undefined;

  constructor(options: TasksExtensionOptions) {
    const { store, owner = defaultOwner, onError = (error) => process.emitWarning(error) } = options;
    const { maxSubscriptions = 1024, maxSubscriptionsPerOwner = 64 } = options;
    const { maxWaits = 10_000, maxWaitsPerOwner = 1000, getWaitMs = 0 } = options;
    this.store = store;
    this.subscriptions = new Places("subscriptions", maxSubscriptions, maxSubscriptionsPerOwner);
    this.waits = new Places("waits for tasks", maxWaits, maxWaitsPerOwner);
    this.polls = new Places("polls of tasks", maxWaits, maxWaitsPerOwner);
    const { maxCalls = 20_000, maxCallsPerOwner = 2000 } = options;
    this.calls = new Places("calls of tools", maxCalls, maxCallsPerOwner);
    const { maxBodyBytes = 256 * 2 ** 20, maxBodyBytesPerOwner = 64 * 2 ** 20 } = options;
    this.bodies = new Places("bytes of requests", maxBodyBytes, maxBodyBytesPerOwner);
    this.getWaitMs = getWaitMs;
    this.withoutTasks = options.withoutTasks;
    this.onError = reporter(onError);
    this.#owner = owner;
  }

  /** Calls back when the extension closes. The function that it returns forgets that. */
  onClose(end: () => void): () => void {
    if (this.#closed) end();
    this.#onClose.add(end);
    return () => this.#onClose.delete(end);
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
    for (const end of this.#onClose) end();
  }

  /** Notes why a request failed that changes nothing if it is made twice. */
  noteFailure({ http }: ServerContext, error: unknown): void {
    const away = isTaskStoreError(error, "BACKEND_UNAVAILABLE") || isTaskStoreError(error, "STORE_CLOSED");
    if (away && http?.req) this.#repeatable.add(http.req);
  }

  /** Whether the request failed because the store could not be reached, and may be repeated. */
  mayRepeat(request: Request): boolean {
    return this.#repeatable.has(request);
  }

  /** The owner of the tasks that the caller makes and sees. */
  ownerOf(caller: ServerContext | TaskCaller): string {
    const owner = this.#owner("mcpReq" in caller ? callerOf(caller) : caller);
    if (owner === ANONYMOUS)
      throw new TypeError(`The owner ${ANONYMOUS} is reserved: return undefined for anonymous callers`);
    return owner ?? ANONYMOUS;
  }

  /**
   * Like `ownerOf`, for limits: a caller for whom the `owner` option throws counts as anonymous.
   * The request fails later, if it needs an owner.
   */
  countedAs(caller: ServerContext | TaskCaller): string {
    try {
      return this.ownerOf(caller);
    } catch {
      return ANONYMOUS;
    }
  }

  /** What is open now. */
  get open(): OpenNow {
    const { subscriptions, waits, polls, calls, bodies } = this;
    return {
      subscriptions: subscriptions.open,
      waits: waits.open + polls.open,
      calls: calls.open,
      bodyBytes: bodies.open,
    };
  }

  /**
   * Like `ownerOf`, but returns the JSON-RPC error to send if the `owner` option throws. For
   * requests that the SDK does not answer.
   */
  ownerOrError(caller: TaskCaller): string | ProtocolError {
    try {
      return this.ownerOf(caller);
    } catch (error) {
      this.onError(error as Error);
      return new ProtocolError(ProtocolErrorCode.InternalError, "Internal error");
    }
  }
}
