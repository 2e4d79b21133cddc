import type { Engine } from "./engine.ts";
import { invalid, isTaskStoreError, TaskStoreError } from "./errors.ts";
import { decodeJson, encodeJson, isStorableKey } from "./json.ts";
import type { ErrorObject, RequestId, Result } from "./task.ts";

interface Queued<Type extends string, Message> {
  type: Type;
  message: Message;
  /** Milliseconds since the epoch. */
  timestamp: number;
}
interface JsonRpcCall {
  jsonrpc: "2.0";
  method: string;
  params?: { [key: string]: unknown } | undefined;
}

/** A message that waits to be delivered on a `tasks/result` stream. */
export type QueuedMessage =
  | Queued<"request", JsonRpcCall & { id: RequestId }>
  | Queued<"notification", JsonRpcCall>
  | Queued<"response", { jsonrpc: "2.0"; id: RequestId; result: Result }>
  | Queued<"error", { jsonrpc: "2.0"; id?: RequestId | undefined; error: ErrorObject }>;

/**
 * Structurally the `TaskMessageQueue` of `@modelcontextprotocol/sdk` 1.x. Queues are keyed by task id alone (the session is not
 * looked at), and a task of that id need not exist. Calls for one task take effect in the order in which they were made.
 */
export interface TaskMessageQueue {
  /** @throws `QUEUE_FULL` at `maxSize` or `limits.messagesPerTask`, `PAYLOAD_TOO_LARGE`, `INVALID_ARGUMENT` */
  enqueue(taskId: string, message: QueuedMessage, sessionId?: string, maxSize?: number): Promise<void>;
  /** The first message, which no other caller gets, or `undefined`. */
  dequeue(taskId: string, sessionId?: string): Promise<QueuedMessage | undefined>;
  /** All messages. Never rejects, because the SDK would end the process: a failure goes to `onError`, and `[]` is returned. */
  dequeueAll(taskId: string, sessionId?: string): Promise<QueuedMessage[]>;
}

export class BackendMessageQueue implements TaskMessageQueue {
  readonly #engine: Engine;
  /** Last call per task. A backend with a pool would otherwise run calls that nobody awaited in any order. */
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async enqueue(taskId: string, message: QueuedMessage, _sessionId?: string, maxSize?: number): Promise<void> {
    const { limits, messageTtl } = this.#engine.settings;
    if (!isStorableKey(taskId)) throw invalid("The task id is not well-formed, or longer than 512 characters");
    if (maxSize !== undefined && !(maxSize >= 0)) throw invalid("maxSize must be a number, 0 or larger", taskId);
    const text = encodeJson(message, "message", limits.payloadBytes);
    const cap = Math.min(maxSize ?? Number.POSITIVE_INFINITY, limits.messagesPerTask ?? Number.POSITIVE_INFINITY);
    await this.#inOrder(taskId, async () => {
      const outcome = await this.#engine.call((backend) =>
        backend.push(taskId, text, Number.isFinite(cap) ? cap : null, messageTtl),
      );
      if (!outcome.pushed) {
        const text = `Task message queue overflow: queue size (${outcome.size}) exceeds maximum (${cap})`;
        throw new TaskStoreError("QUEUE_FULL", text, { taskId });
      }
    });
  }

  async dequeue(taskId: string): Promise<QueuedMessage | undefined> {
    const [message] = await this.#shift(taskId, 1);
    return message;
  }

  async dequeueAll(taskId: string): Promise<QueuedMessage[]> {
    try {
      return await this.#shift(taskId, null);
    } catch (error) {
      // The SDK does not wait for this call, so a server that stops may have closed the store by then: nothing failed.
      if (!isTaskStoreError(error, "STORE_CLOSED")) this.#engine.report(error);
      return [];
    }
  }

  async #shift(taskId: string, limit: number | null): Promise<QueuedMessage[]> {
    if (!isStorableKey(taskId)) return [];
    const texts = await this.#inOrder(taskId, () => this.#engine.call((backend) => backend.shift(taskId, limit)));
    return texts.map((text) => decodeJson<QueuedMessage>(text));
  }

  #inOrder<T>(taskId: string, run: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(taskId) ?? Promise.resolve()).then(run, run);
    this.#last.set(taskId, turn);
    const forget = () => {
      if (this.#last.get(taskId) === turn) this.#last.delete(taskId);
    };
    turn.then(forget, forget);
    return turn;
  }
}
