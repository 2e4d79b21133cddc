/** The limit that would be exceeded: that of the one who asks, or that of all together. */
export type QuotaLimit = "own" | "all";

/** Counts what is open at a time, in all and for each of those who opened it. */
export class Quota<Who> {
  readonly #max: number;
  readonly #maxEach: number;
  readonly #byWho = new Map<Who, number>();
  #open = 0;

  constructor(max: number, maxEach: number) {
    this.#max = max;
    this.#maxEach = maxEach;
  }

  /** How much is open. */
  get open(): number {
    return this.#open;
  }

  /** The limit that stands against opening more, if any. */
  fullFor(who: Who, count = 1): QuotaLimit | undefined {
    if ((this.#byWho.get(who) ?? 0) + count > this.#maxEach) return "own";
    return this.#open + count > this.#max ? "all" : undefined;
  }

  /**
   * Counts more as open, whatever the limits say. The function that it returns ends that; calling
   * it again does nothing.
   */
  protected hold(who: Who, count = 1): () => void {
    this.#byWho.set(who, (this.#byWho.get(who) ?? 0) + count);
    this.#open += count;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#open -= count;
      const left = (this.#byWho.get(who) ?? 0) - count;
      if (left > 0) this.#byWho.set(who, left);
      else this.#byWho.delete(who);
    };
  }
}
