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
 * Structurally the `TaskMessageQueue` of `@modelcontextprotocol/sdk` 1.x. Queues are keyed by task
 * id alone (the session is not looked at), and a task of that id need not exist. Calls for one task
 * take effect in the order in which they were made.
 *
 * A `response` or an `error` answers a request that a client made a part of a task. If the caller
 * may not see that task, the answer is dropped, so that no client can fill the queue of another
 * owner's task.
 */
export interface TaskMessageQueue {
  /**
   * @throws `QUEUE_FULL` at `maxSize` or `limits.messagesPerTask`, `PAYLOAD_TOO_LARGE`,
   * `INVALID_ARGUMENT`
   */
  enqueue(taskId: string, message: QueuedMessage, sessionId?: string, maxSize?: number): Promise<void>;
  /** The first message, which no other caller gets, or `undefined`. */
  dequeue(taskId: string, sessionId?: string): Promise<QueuedMessage | undefined>;
  /**
   * All messages. Never rejects, because the SDK would end the process: a failure goes to
   * `onError`, and `[]` is returned.
   */
  dequeueAll(taskId: string, sessionId?: string): Promise<QueuedMessage[]>;
}
