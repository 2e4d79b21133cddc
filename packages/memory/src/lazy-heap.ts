interface Due<T> {
  readonly at: number;
  readonly order: number;
  readonly item: T;
}

/**
 * A binary min-heap of what becomes due when. Entries are never changed in place: whoever takes one looks up what is
 * true by now, and adds it again if it is not due yet. So a change to a later time costs nothing.
 */
export class LazyHeap<T> {
  readonly #entries: Due<T>[] = [];
  #added = 0;

  get size(): number {
    return this.#entries.length;
  }

  /** The entry with the smallest time; of several, the one that was added first. */
  get first(): Due<T> | undefined {
    return this.#entries[0];
  }

  add(at: number, item: T): void {
    const entries = this.#entries;
    let index = entries.push({ at, order: this.#added, item }) - 1;
    this.#added += 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) break;
      this.#swap(parent, index);
      index = parent;
    }
  }

  /** Takes the entry with the smallest time, if that is not after `now`. */
  takeDue(now: number): T | undefined {
    const entries = this.#entries;
    const first = entries[0];
    if (!first || first.at > now) return undefined;
    const last = entries.pop();
    if (last && last !== first) {
      entries[0] = last;
      this.#sink();
    }
    return first.item;
  }

  #sink(): void {
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const child = this.#isBefore(left + 1, left) ? left + 1 : left;
      if (!this.#isBefore(child, index)) return;
      this.#swap(index, child);
      index = child;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [first, second] = [this.#entries[a], this.#entries[b]];
    if (!first || !second) return first !== undefined;
    return first.at < second.at || (first.at === second.at && first.order < second.order);
  }

  #swap(a: number, b: number): void {
    const entries = this.#entries;
    [entries[a], entries[b]] = [entries[b] as Due<T>, entries[a] as Due<T>];
  }
}
