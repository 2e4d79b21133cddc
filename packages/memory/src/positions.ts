/**
 * Items in order of `position`. Each item is added at the end, and a binary search finds the start
 * of a page.
 */
export class Positions<T extends { readonly position: number }> {
  #items: (T | undefined)[] = [];
  /** Positions of `#items`, those of deleted items included. */
  #keys: number[] = [];
  #deleted = 0;

  get size(): number {
    return this.#items.length - this.#deleted;
  }

  /** One of the items, chosen at random. `undefined` where one was deleted. */
  any(): T | undefined {
    return this.#items[Math.floor(Math.random() * this.#items.length)];
  }

  add(item: T): void {
    this.#items.push(item);
    this.#keys.push(item.position);
  }

  delete(item: T): void {
    this.#items[this.#firstAfter(item.position - 1)] = undefined;
    this.#deleted += 1;
    // A page walks over gaps, and closing them copies all items. At one gap in eight items, a
    // deletion copies eight items on average.
    if (this.#deleted * 8 <= this.#items.length + 256) return;
    this.#items = this.#items.filter((kept) => kept !== undefined);
    this.#keys = this.#items.map((kept) => (kept as T).position);
    this.#deleted = 0;
  }

  *after(position: number): Generator<T, undefined> {
    for (let index = this.#firstAfter(position); index < this.#items.length; index += 1) {
      const item = this.#items[index];
      if (item) yield item;
    }
  }

  /** From the last item before this position (`null`: from the last one) down to the first. */
  *before(position: number | null): Generator<T, undefined> {
    const end = position === null ? this.#items.length : this.#firstAfter(position - 1);
    for (let index = end - 1; index >= 0; index -= 1) {
      const item = this.#items[index];
      if (item) yield item;
    }
  }

  #firstAfter(position: number): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#keys[middle] as number) <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
