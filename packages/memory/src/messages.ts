import { DueHeap, type PushOutcome } from "@mcp-task-store/core/backend";

interface Message {
  text: string;
  expiresAt: number;
}

/**
 * The queues of messages, one per task id, first in, first out. The first of a queue is also the
 * first to expire, unless stores with different ttls put messages into it.
 */
export class Messages {
  readonly #queues = new Map<string, Message[]>();
  readonly #due = new DueHeap<string>();
  /** The ids that are in the heap, each once. */
  readonly #scheduled = new Set<string>();
  /** The queues in which a message expires before an earlier one. */
  readonly #mixed = new Set<string>();

  push(taskId: string, text: string, maxSize: number | null, expiresAt: number, now: number): PushOutcome {
    const queue = this.#fresh(taskId, now);
    if (maxSize !== null && queue.length >= maxSize) return { pushed: false, size: queue.length };
    if (expiresAt < (queue.at(-1)?.expiresAt ?? 0)) {
      this.#mixed.add(taskId);
      this.#scheduled.delete(taskId);
    }
    this.#schedule(expiresAt, taskId);
    queue.push({ text, expiresAt });
    this.#queues.set(taskId, queue);
    return { pushed: true };
  }

  shift(taskId: string, limit: number | null, now: number): string[] {
    const queue = this.#fresh(taskId, now);
    const taken = queue.splice(0, limit ?? queue.length);
    if (queue.length === 0) this.delete(taskId);
    return taken.map((message) => message.text);
  }

  /** The unexpired messages, which stay. */
  peek(taskId: string, now: number): readonly Readonly<Message>[] {
    return this.#fresh(taskId, now);
  }

  /** Replaces the messages with this text, and returns whether there was one. */
  rewrite(taskId: string, from: string, to: string, now: number): boolean {
    const found = this.#fresh(taskId, now).filter(({ text }) => text === from);
    for (const message of found) message.text = to;
    return found.length > 0;
  }

  delete(taskId: string): void {
    this.#queues.delete(taskId);
    this.#mixed.delete(taskId);
  }

  deleteExpired(limit: number, now: number): number {
    let deleted = 0;
    while (deleted < limit) {
      const taskId = this.#due.takeDue(now);
      if (taskId === undefined) break;
      this.#scheduled.delete(taskId);
      const before = this.#queues.get(taskId)?.length ?? 0;
      const rest = this.#fresh(taskId, now);
      const [first] = this.#mixed.has(taskId) ? rest.toSorted((one, other) => one.expiresAt - other.expiresAt) : rest;
      if (first) this.#schedule(first.expiresAt, taskId);
      else this.delete(taskId);
      deleted += before - (this.#queues.get(taskId)?.length ?? 0);
    }
    return deleted;
  }

  #schedule(at: number, taskId: string): void {
    if (this.#scheduled.has(taskId)) return;
    this.#scheduled.add(taskId);
    this.#due.add(at, taskId);
  }

  /** The queue without its expired messages. */
  #fresh(taskId: string, now: number): Message[] {
    const queue = this.#queues.get(taskId) ?? [];
    if (this.#mixed.has(taskId)) {
      const rest = queue.filter((message) => message.expiresAt > now);
      this.#queues.set(taskId, rest);
      return rest;
    }
    const live = queue.findIndex((message) => message.expiresAt > now);
    queue.splice(0, live === -1 ? queue.length : live);
    return queue;
  }
}
