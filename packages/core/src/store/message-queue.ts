import type { Answer } from "../backend/answer.ts";
import { isInScope } from "../backend/rules.ts";
import type { OwnerScope } from "../backend/task-backend.ts";
import { isStorableKey } from "../contract/checks.ts";
import { invalid, isTaskStoreError, TaskStoreError } from "../contract/errors.ts";
import { decodeJson, encodeJson } from "../contract/json.ts";
import type { QueuedMessage, TaskMessageQueue } from "../contract/messages.ts";
import type { BackendGateway } from "./backend-gateway.ts";

export class BackendMessageQueue implements TaskMessageQueue {
  readonly #gateway: BackendGateway;
  /**
   * The last call of each task. Without this chain, a backend with a pool could run calls that were
   * not awaited in any order.
   */
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(gateway: BackendGateway) {
    this.#gateway = gateway;
  }

  async enqueue(taskId: string, message: QueuedMessage, sessionId?: string, maxSize?: number): Promise<void> {
    const { limits, messageTtlMs } = this.#gateway.settings;
    if (!isStorableKey(taskId)) throw invalid("The task id is not well-formed, or longer than 512 characters");
    if (maxSize !== undefined && (typeof maxSize !== "number" || !(maxSize >= 0)))
      throw invalid("maxSize must be a number, 0 or larger", taskId);
    const text = encodeJson(message, "message", limits.payloadBytes);
    const cap = Math.min(maxSize ?? Number.POSITIVE_INFINITY, limits.messagesPerTask ?? Number.POSITIVE_INFINITY);
    // SDK 1.x queues its answer to any request that claims to be a part of a task, and does not ask
    // whose task that is.
    const type: unknown = (message as QueuedMessage | null | undefined)?.type;
    const isAnswer = type === "response" || type === "error";
    const scope = isAnswer ? this.#gateway.callerScope(sessionId) : null;
    await this.#inOrder(taskId, async () => {
      if (scope !== null && (await this.#isForeign(taskId, scope))) return;
      const outcome = await this.#gateway.call((backend) =>
        backend.push(taskId, text, Number.isFinite(cap) ? cap : null, messageTtlMs),
      );
      if (!outcome.pushed) {
        const text = `Task message queue overflow: queue size (${outcome.size}) exceeds maximum (${cap})`;
        throw new TaskStoreError("QUEUE_FULL", text, { taskId });
      }
    });
  }

  async dequeue(taskId: string): Promise<QueuedMessage | undefined> {
    for (;;) {
      const { taken, messages } = await this.#shift(taskId, 1);
      if (messages.length > 0 || taken === 0) return messages[0];
    }
  }

  async dequeueAll(taskId: string): Promise<QueuedMessage[]> {
    try {
      return (await this.#shift(taskId, null)).messages;
    } catch (error) {
      // The SDK does not wait for this call. A server that stops may have closed the store by then,
      // which is no failure.
      if (!isTaskStoreError(error, "STORE_CLOSED")) this.#gateway.report(error);
      return [];
    }
  }

  async #isForeign(taskId: string, scope: OwnerScope): Promise<boolean> {
    const task = await this.#gateway.read(taskId, null);
    return task !== undefined && !isInScope(scope, task.owner);
  }

  /** Takes messages. Those that cannot be read are reported and left out. */
  async #shift(taskId: string, limit: number | null): Promise<{ taken: number; messages: QueuedMessage[] }> {
    if (!isStorableKey(taskId)) return { taken: 0, messages: [] };
    const texts = await this.#inOrder(taskId, () => this.#gateway.call((backend) => backend.shift(taskId, limit)));
    const messages = texts.flatMap((text) => {
      try {
        return [decodeJson<QueuedMessage>(text)];
      } catch (error) {
        if (!isTaskStoreError(error, "PAYLOAD_UNREADABLE")) throw error;
        this.#gateway.report(error);
        return [];
      }
    });
    return { taken: texts.length, messages };
  }

  #inOrder<T>(taskId: string, run: () => Answer<T>): Promise<T> {
    const turn = (this.#last.get(taskId) ?? Promise.resolve()).then(run, run);
    this.#last.set(taskId, turn);
    const forget = () => {
      if (this.#last.get(taskId) === turn) this.#last.delete(taskId);
    };
    turn.then(forget, forget);
    return turn;
  }
}
