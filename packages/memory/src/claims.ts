import { DueHeap, isClaimable } from "@mcp-task-store/core/backend";
import type { Entry } from "./entry.ts";

/** The active tasks of a name. */
interface OfName {
  readonly active: Set<Entry>;
  /** The same tasks by lease expiry, with entries that are out of date. */
  due: DueHeap<Entry>;
}

/** Active tasks by name and lease expiry, so that a claim need not scan all tasks. */
export class Claims {
  readonly #names = new Map<string, OfName>();
  /** The name whose last active task ended last. The next task often has the same name. */
  #emptied: string | undefined;

  add(entry: Entry): void {
    const { name } = entry.task;
    let ofName = this.#names.get(name);
    if (!ofName) {
      ofName = { active: new Set(), due: new DueHeap() };
      this.#names.set(name, ofName);
    }
    ofName.active.add(entry);
    ofName.due.add(lapseOf(entry), entry);
  }

  /**
   * The lease expiry has changed. A later one needs no entry, as `first` finds the old one and
   * moves it.
   */
  moved(entry: Entry, before: number): void {
    if (lapseOf(entry) < before) this.#names.get(entry.task.name)?.due.add(lapseOf(entry), entry);
  }

  delete(entry: Entry): void {
    const { name } = entry.task;
    const ofName = this.#names.get(name);
    if (!ofName) return;
    ofName.active.delete(entry);
    if (ofName.active.size === 0) this.#empty(name);
    // Without claims, the entries of ended tasks would stay for ever.
    if (ofName.due.size > 2 * ofName.active.size + 64) ofName.due = heapOf(ofName.active);
  }

  /** Forgets the name that was emptied before, so that one empty name is kept at most. */
  #empty(name: string): void {
    const before = this.#emptied;
    this.#emptied = name;
    if (before === undefined || before === name) return;
    if (this.#names.get(before)?.active.size === 0) this.#names.delete(before);
  }

  /** All active tasks. */
  *active(): Generator<Entry, undefined> {
    for (const { active } of this.#names.values()) yield* active;
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

function heapOf(entries: Iterable<Entry>): DueHeap<Entry> {
  const heap = new DueHeap<Entry>();
  for (const entry of entries) heap.add(lapseOf(entry), entry);
  return heap;
}
