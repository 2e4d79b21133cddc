import { isTerminal } from "@mcp-task-store/core";
import type { RequestId } from "@modelcontextprotocol/server";
import { SUBSCRIPTION_ID_META_KEY } from "@modelcontextprotocol/server";
import type { Shared } from "./shared.ts";

/** Before a state is read again that could not be read. */
const RETRY_MS = 1000;

/**
 * The tasks that one `subscriptions/listen` follows. Changes may come from any process.
 * @see SEP-2663, "Task Status Notifications"
 */
export class TaskSubscription {
  readonly #shared: Shared;
  readonly #owner: string;
  readonly #send: (notification: Record<string, unknown>) => void;
  readonly #id: RequestId;
  readonly #unsubscribes = new Map<string, () => void>();
  /** The last known state is newer than what was sent. */
  readonly #changed = new Set<string>();
  readonly #sending = new Set<string>();
  /** All tasks have ended, and nothing more will be sent. */
  readonly ended: Promise<void>;
  #end: () => void = () => undefined;
  #acknowledged = false;
  #closed = false;

  /** @param send Sends a notification to the subscriber. */
  constructor(shared: Shared, owner: string, id: RequestId, send: (notification: Record<string, unknown>) => void) {
    this.#shared = shared;
    this.#owner = owner;
    this.#id = id;
    this.#send = send;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Follows those that the owner has, and returns their ids. */
  async open(taskIds: readonly string[]): Promise<string[]> {
    await Promise.all([...new Set(taskIds)].map((taskId) => this.#follow(taskId)));
    return [...this.#unsubscribes.keys()];
  }

  /** The subscriber knows what it gets: the present states follow, and each change. */
  acknowledged(): void {
    this.#acknowledged = true;
    for (const taskId of this.#unsubscribes.keys()) void this.#pump(taskId);
    if (this.#unsubscribes.size === 0) this.#end();
  }

  close(): void {
    this.#closed = true;
    for (const unsubscribe of this.#unsubscribes.values()) unsubscribe();
    this.#unsubscribes.clear();
    this.#end();
  }

  async #follow(taskId: string): Promise<void> {
    const options = { taskId, owner: this.#owner };
    const unsubscribe = await this.#shared.store
      .subscribe(() => {
        this.#changed.add(taskId);
        void this.#pump(taskId);
      }, options)
      .catch(() => undefined);
    if (!unsubscribe) return;
    if (this.#closed) unsubscribe();
    else this.#unsubscribes.set(taskId, unsubscribe);
  }

  /** One at a time for each task, so that states come in order; what changes meanwhile is sent once, as it is then. */
  async #pump(taskId: string): Promise<void> {
    if (!this.#acknowledged || this.#closed || this.#sending.has(taskId)) return;
    this.#sending.add(taskId);
    try {
      while (this.#changed.delete(taskId) && !this.#closed) {
        const task = await this.#shared.detailed(taskId, this.#owner);
        if (this.#closed) return;
        if (task) this.#notify(task);
        if (!task || isTerminal(task["status"] as never)) this.#done(taskId);
      }
    } catch (error) {
      this.#shared.onError(error as Error);
      // It may have been the last change: nothing else would send it.
      this.#changed.add(taskId);
      setTimeout(() => void this.#pump(taskId), RETRY_MS).unref();
    } finally {
      this.#sending.delete(taskId);
    }
  }

  #notify(task: Record<string, unknown>): void {
    const params = { ...task, _meta: { [SUBSCRIPTION_ID_META_KEY]: this.#id } };
    this.#send({ jsonrpc: "2.0", method: "notifications/tasks", params });
  }

  #done(taskId: string): void {
    this.#unsubscribes.get(taskId)?.();
    this.#unsubscribes.delete(taskId);
    if (this.#unsubscribes.size === 0) this.#end();
  }
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
