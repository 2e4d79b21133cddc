/** An item and the time at which it is due. */
export interface Due<T> {
  readonly at: number;
  readonly order: number;
  readonly item: T;
}

/**
 * A binary min-heap of items, by the time at which they are due. An entry never changes in place:
 * when it comes up, the reader looks up the item's present time, and adds the item again if it is
 * not due yet. So a change to a later time costs nothing.
 */
export class DueHeap<T> {
  readonly #entries: Due<T>[] = [];
  #added = 0;

  get size(): number {
    return this.#entries.length;
  }

  /** The entry with the smallest time; of several, the one that was added first. */
  get first(): Due<T> | undefined {
    return this.#entries[0];
  }

  add(at: number, item: T): Due<T> {
    const entries = this.#entries;
    const entry = { at, order: this.#added, item };
    this.#added += 1;
    let index = entries.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = entries[parent] as Due<T>;
      if (isBefore(above, entry)) break;
      entries[index] = above;
      index = parent;
    }
    entries[index] = entry;
    return entry;
  }

  /** Takes the entry with the smallest time, if that is not after `now`. */
  takeDue(now: number): T | undefined {
    const entries = this.#entries;
    const first = entries[0];
    if (!first || first.at > now) return undefined;
    const last = entries.pop() as Due<T>;
    if (last !== first) this.#sink(last);
    return first.item;
  }

  /** Puts the entry in place of the first. */
  #sink(entry: Due<T>): void {
    const entries = this.#entries;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= entries.length) break;
      if (child + 1 < entries.length && isBefore(entries[child + 1] as Due<T>, entries[child] as Due<T>)) child += 1;
      const below = entries[child] as Due<T>;
      if (!isBefore(below, entry)) break;
      entries[index] = below;
      index = child;
    }
    entries[index] = entry;
  }
}

function isBefore(a: Due<unknown>, b: Due<unknown>): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
