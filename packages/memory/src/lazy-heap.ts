/**
 * A binary min-heap of what becomes due when. Entries are never changed in place: whoever takes one looks up what is
 * true by now, and adds it again if it is not due yet. So a change to a later time costs nothing.
 */
export class LazyHeap<T> {
  readonly #entries: { at: number; item: T }[] = [];

  add(at: number, item: T): void {
    const entries = this.#entries;
    let index = entries.push({ at, item }) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#at(parent) <= this.#at(index)) break;
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
      const child = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (this.#at(index) <= this.#at(child)) return;
      this.#swap(index, child);
      index = child;
    }
  }

  #at(index: number): number {
    return this.#entries[index]?.at ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const entries = this.#entries;
    [entries[a], entries[b]] = [entries[b] as { at: number; item: T }, entries[a] as { at: number; item: T }];
  }
}
