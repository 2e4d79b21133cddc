import { type Due, DueHeap } from "../backend/due-heap.ts";

/**
 * Items in the order in which they are due, each at most once. When an item is put again or
 * deleted, its old entry stays in the heap and is skipped when it comes up. So neither call
 * searches the heap.
 */
export class DueQueue<T> {
  readonly #heap = new DueHeap<T>();
  readonly #current = new Map<T, Due<T>>();

  /** Adds the item, or moves it. */
  put(item: T, at: number): void {
    this.#current.set(item, this.#heap.add(at, item));
  }

  delete(item: T): void {
    this.#current.delete(item);
  }

  has(item: T): boolean {
    return this.#current.has(item);
  }

  /** When the first item is due; infinity if there is none. */
  get next(): number {
    for (;;) {
      const { first } = this.#heap;
      if (!first) return Number.POSITIVE_INFINITY;
      if (this.#current.get(first.item) === first) return first.at;
      this.#heap.takeDue(first.at);
    }
  }

  /** Takes the first item, if it is due by `now`. */
  take(now: number): T | undefined {
    if (this.next > now) return undefined;
    const item = this.#heap.takeDue(now);
    if (item !== undefined) this.#current.delete(item);
    return item;
  }
}
