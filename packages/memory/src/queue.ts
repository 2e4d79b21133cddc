import { DueHeap, isClaimable } from "@mcp-task-store/core/backend";
import type { Entry } from "./entry.ts";

/** Active tasks by lease expiry. */
export class Queue {
  readonly active: Set<Entry> = new Set();
  /** The same tasks by lease expiry, with entries that are out of date. */
  #due = new DueHeap<Entry>();

  add(entry: Entry): void {
    this.active.add(entry);
    this.#due.add(lapseOf(entry), entry);
  }

  /**
   * The lease expiry has changed. A later one needs no entry, as `first` finds the old one and
   * moves it.
   */
  moved(entry: Entry, before: number): void {
    if (lapseOf(entry) < before) this.#due.add(lapseOf(entry), entry);
  }

  delete(entry: Entry): void {
    this.active.delete(entry);
    // Without claims, the entries of ended tasks would stay for ever.
    if (this.#due.size > 2 * this.active.size + 64) this.#due = heapOf(this.active);
  }

  /** The claimable entry whose lease lapsed first. */
  first(now: number): Entry | undefined {
    for (;;) {
      const due = this.#due.first;
      if (!due || due.at > now) return undefined;
      const { at, item } = due;
      const isActive = this.active.has(item);
      if (isActive && at === lapseOf(item) && isClaimable(item.task, [item.task.name], now)) return item;
      this.#due.takeDue(now);
      if (isActive && at < lapseOf(item)) this.#due.add(lapseOf(item), item);
    }
  }
}

export function lapseOf({ task }: Entry): number {
  return task.leaseExpiresAt ?? Number.POSITIVE_INFINITY;
}

function heapOf(entries: Iterable<Entry>): DueHeap<Entry> {
  const heap = new DueHeap<Entry>();
  for (const entry of entries) heap.add(lapseOf(entry), entry);
  return heap;
}
