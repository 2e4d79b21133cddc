import { setTimeout as sleep } from "node:timers/promises";
import { isTerminal } from "@mcp-task-store/core";
import { type RequestId, SUBSCRIPTION_ID_META_KEY } from "@modelcontextprotocol/server";
import type { ExtensionContext } from "../extension-context.ts";
import { detailedTask, isGone, SHOWN } from "../protocol/wire.ts";

/** Pause before a failed read is tried again. */
const RETRY_MS = 1000;

/**
 * The tasks that one `subscriptions/listen` follows. Changes may come from any process.
 * @see SEP-2663, "Task Status Notifications"
 */
export class TaskSubscription {
  readonly #extension: ExtensionContext;
  readonly #owner: string;
  readonly #send: (notification: Record<string, unknown>) => void | Promise<void>;
  readonly #id: RequestId;
  readonly #acknowledged = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #closing = new AbortController();

  /**
   * @param send Sends a notification to the subscriber; resolves when there is room for the next
   * one.
   */
  constructor(
    extension: ExtensionContext,
    owner: string,
    id: RequestId,
    send: (notification: Record<string, unknown>) => void | Promise<void>,
  ) {
    this.#extension = extension;
    this.#owner = owner;
    this.#id = id;
    this.#send = send;
  }

  /** All tasks have ended or are gone, and nothing more will be sent. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Follows the tasks that the owner has, and returns their ids. */
  async open(taskIds: readonly string[]): Promise<string[]> {
    const unique = [...new Set(taskIds)];
    const known = await Promise.all(unique.map((taskId) => this.#isKnown(taskId)));
    const followed = unique.filter((_, index) => known[index]);
    void Promise.all(followed.map((taskId) => this.#follow(taskId))).then(() => this.#ended.resolve());
    return followed;
  }

  /** The acknowledgement was sent: the present states follow, and then each change. */
  acknowledged(): void {
    this.#acknowledged.resolve();
  }

  close(): void {
    this.#closing.abort();
    this.#acknowledged.resolve();
    this.#ended.resolve();
  }

  async #isKnown(taskId: string): Promise<boolean> {
    try {
      return (await this.#extension.store.getTask(taskId, { owner: this.#owner })) !== null;
    } catch (error) {
      // The task is not acknowledged, so the client goes on polling it.
      this.#extension.onError(error as Error);
      return false;
    }
  }

  /** States come in order. Changes during a send become one notification, with the latest state. */
  async #follow(taskId: string): Promise<void> {
    const { store } = this.#extension;
    const { signal } = this.#closing;
    const owner = this.#owner;
    let after = 0;
    await this.#acknowledged.promise;
    while (!signal.aborted) {
      try {
        const record = await store.waitForTask(taskId, {
          owner,
          signal,
          until: "change",
          after,
          fields: SHOWN,
          keepAlive: false,
        });
        if (signal.aborted) return;
        after = record.revision;
        await this.#notify(detailedTask(record));
        if (isTerminal(record.task.status)) return;
      } catch (error) {
        if (signal.aborted || isGone(error)) return;
        this.#extension.onError(error as Error);
        await sleep(RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }

  async #notify(task: Record<string, unknown>): Promise<void> {
    const params = { ...task, _meta: { [SUBSCRIPTION_ID_META_KEY]: this.#id } };
    await this.#send({ jsonrpc: "2.0", method: "notifications/tasks", params });
  }
}

/** A `subscriptions/listen`. */
export interface Listen {
  id: RequestId;
  method: "subscriptions/listen";
  params: { _meta?: Record<string, unknown>; notifications?: { taskIds?: unknown } };
}

/** Whether the message is a `subscriptions/listen`, as far as the extension reads it. */
export function isListen(message: unknown): message is Listen {
  const { id, method, params } = (message ?? {}) as { id?: unknown; method?: unknown; params?: unknown };
  return method === "subscriptions/listen" && id !== undefined && typeof params === "object" && params !== null;
}

/** The ids of the tasks that it names; `undefined` if it has no list of them. */
export function taskIdsOf({ params: { notifications } }: Listen): string[] | undefined {
  const taskIds = notifications?.taskIds;
  return Array.isArray(taskIds) ? taskIds.filter((id) => typeof id === "string") : undefined;
}
