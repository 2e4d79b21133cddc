import { setTimeout as sleep } from "node:timers/promises";
import { isTerminal } from "@mcp-task-store/core";
import type { RequestId } from "@modelcontextprotocol/server";
import { SUBSCRIPTION_ID_META_KEY } from "@modelcontextprotocol/server";
import { isOver, type Shared } from "./shared.ts";

/** Before a state is read again that could not be read. */
const RETRY_MS = 1000;

/**
 * The tasks that one `subscriptions/listen` follows. Changes may come from any process.
 * @see SEP-2663, "Task Status Notifications"
 */
export class TaskSubscription {
  readonly #shared: Shared;
  readonly #owner: string;
  readonly #send: (notification: Record<string, unknown>) => void | Promise<void>;
  readonly #id: RequestId;
  readonly #acknowledged = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #closing = new AbortController();

  /** @param send Sends a notification to the subscriber; resolves when there is room for the next one. */
  constructor(
    shared: Shared,
    owner: string,
    id: RequestId,
    send: (notification: Record<string, unknown>) => void | Promise<void>,
  ) {
    this.#shared = shared;
    this.#owner = owner;
    this.#id = id;
    this.#send = send;
  }

  /** All tasks have ended or are gone, and nothing more will be sent. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Follows those that the owner has, and returns their ids. */
  async open(taskIds: readonly string[]): Promise<string[]> {
    const unique = [...new Set(taskIds)];
    const known = await Promise.all(unique.map((taskId) => this.#isKnown(taskId)));
    const followed = unique.filter((_, index) => known[index]);
    void Promise.all(followed.map((taskId) => this.#follow(taskId))).then(() => this.#ended.resolve());
    return followed;
  }

  /** The subscriber knows what it gets: the present states follow, and each change. */
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
      return (await this.#shared.store.getTask(taskId, { owner: this.#owner })) !== null;
    } catch (error) {
      // Not acknowledged: the client goes on polling.
      this.#shared.onError(error as Error);
      return false;
    }
  }

  /** States come in order; what changes while one is sent is sent once, as it is then. */
  async #follow(taskId: string): Promise<void> {
    const { store } = this.#shared;
    const { signal } = this.#closing;
    const owner = this.#owner;
    let after = 0;
    let told: string | undefined;
    await this.#acknowledged.promise;
    while (!signal.aborted) {
      try {
        const { revision } = await store.waitForTask(taskId, { owner, signal, until: "change", after });
        const task = await this.#shared.detailed(taskId, owner);
        if (!task || signal.aborted) return;
        after = revision;
        // The state that was read may be newer than the one that was waited for, and is then seen twice.
        const state = JSON.stringify(task);
        if (state !== told) await this.#notify(task);
        told = state;
        if (isTerminal(task["status"] as never)) return;
      } catch (error) {
        if (signal.aborted || isOver(error)) return;
        this.#shared.onError(error as Error);
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
  params: { _meta?: Record<string, unknown> };
}

/** The tasks that a `subscriptions/listen` names; `undefined` if it names none, or not as the extension says. */
export function taskIdsOf(message: unknown): string[] | undefined {
  const { method, params } = (message ?? {}) as {
    method?: unknown;
    params?: { notifications?: { taskIds?: unknown } };
  };
  if (method !== "subscriptions/listen") return undefined;
  const taskIds = params?.notifications?.taskIds;
  return Array.isArray(taskIds) ? taskIds.filter((id) => typeof id === "string") : undefined;
}
