interface Entry<T> {
  readonly at: number;
  readonly item: T;
}

/**
 * What is due when, each item once: a binary min-heap. Putting an item anew or deleting it leaves its old entry in the heap,
 * where it is skipped once it comes up, so that both cost no search.
 */
export class DueQueue<T> {
  readonly #heap: Entry<T>[] = [];
  readonly #current = new Map<T, Entry<T>>();

  /** Puts the item, instead of where it was. */
  put(item: T, at: number): void {
    const heap = this.#heap;
    const entry = { at, item };
    this.#current.set(item, entry);
    let index = heap.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as Entry<T>;
      if (above.at <= at) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = entry;
  }

  delete(item: T): void {
    this.#current.delete(item);
  }

  clear(): void {
    this.#heap.length = 0;
    this.#current.clear();
  }

  has(item: T): boolean {
    return this.#current.has(item);
  }

  /** When the first item is due; infinity if there is none. */
  get next(): number {
    for (;;) {
      const first = this.#heap[0];
      if (!first) return Number.POSITIVE_INFINITY;
      if (this.#current.get(first.item) === first) return first.at;
      this.#removeFirst();
    }
  }

  /** Takes the first item, if it is due by `now`. */
  take(now: number): T | undefined {
    if (this.next > now) return undefined;
    const first = this.#heap[0];
    if (!first) return undefined;
    this.#removeFirst();
    this.#current.delete(first.item);
    return first.item;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as Entry<T>).at < (heap[child] as Entry<T>).at) child += 1;
      const below = heap[child] as Entry<T>;
      if (below.at >= last.at) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
  }
}
