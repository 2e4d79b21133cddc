import { isClaimable } from "@mcp-task-store/core";
import { LazyHeap } from "./lazy-heap.ts";
import type { Entry } from "./storage.ts";

/** The active tasks of a name. */
interface OfName {
  readonly active: Set<Entry>;
  /** The same by lease expiry, with entries that are no longer true. */
  due: LazyHeap<Entry>;
}

/** Active tasks by name and by when their leases lapse, so that a claim need not look at all of them. */
export class Claims {
  readonly #names = new Map<string, OfName>();

  add(entry: Entry): void {
    const { name } = entry.task;
    let ofName = this.#names.get(name);
    if (!ofName) {
      ofName = { active: new Set(), due: new LazyHeap() };
      this.#names.set(name, ofName);
    }
    ofName.active.add(entry);
    ofName.due.add(lapseOf(entry), entry);
  }

  /** The lease lapses at another time than before. To a later one `first` comes by itself. */
  moved(entry: Entry, before: number): void {
    if (lapseOf(entry) < before) this.#names.get(entry.task.name)?.due.add(lapseOf(entry), entry);
  }

  delete(entry: Entry): void {
    const { name } = entry.task;
    const ofName = this.#names.get(name);
    if (!ofName) return;
    ofName.active.delete(entry);
    if (ofName.active.size === 0) this.#names.delete(name);
    // Where nobody claims, what has ended would stay for ever.
    else if (ofName.due.size > 2 * ofName.active.size + 64) ofName.due = heapOf(ofName.active);
  }

  /** The claimable entry of one of these names whose lease lapsed first. */
  first(names: readonly string[], now: number): Entry | undefined {
    let first: Entry | undefined;
    for (const name of names) {
      const entry = this.#firstOf(name, now);
      if (entry && (!first || lapseOf(entry) < lapseOf(first))) first = entry;
    }
    return first;
  }

  #firstOf(name: string, now: number): Entry | undefined {
    const ofName = this.#names.get(name);
    for (;;) {
      const due = ofName?.due.first;
      if (!ofName || !due || due.at > now) return undefined;
      const { at, item } = due;
      const isActive = ofName.active.has(item);
      if (isActive && at === lapseOf(item) && isClaimable(item.task, [name], now)) return item;
      ofName.due.takeDue(now);
      if (isActive && at < lapseOf(item)) ofName.due.add(lapseOf(item), item);
    }
  }
}

function lapseOf({ task }: Entry): number {
  return task.leaseExpiresAt ?? Number.POSITIVE_INFINITY;
}

function heapOf(entries: Iterable<Entry>): LazyHeap<Entry> {
  const heap = new LazyHeap<Entry>();
  for (const entry of entries) heap.add(lapseOf(entry), entry);
  return heap;
}
