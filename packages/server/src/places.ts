import { TaskStoreError } from "@mcp-task-store/core";

/** A limit that would be exceeded: the caller's own, or that of the server. */
export type Full = "owner" | "server";

/**
 * Limits how much is open at a time, in total and for each owner. All anonymous callers count as
 * one owner.
 */
export class Places {
  readonly #what: string;
  readonly #max: number;
  readonly #maxPerOwner: number;
  readonly #byOwner = new Map<string, number>();
  #open = 0;

  /** @param what Names the open things in the error message. */
  constructor(what: string, max: number, maxPerOwner: number) {
    this.#what = what;
    this.#max = max;
    this.#maxPerOwner = maxPerOwner;
  }

  /** How many places are taken. */
  get open(): number {
    return this.#open;
  }

  /** The limit that stands against taking more places, if any. */
  fullFor(owner: string, count = 1): Full | undefined {
    if ((this.#byOwner.get(owner) ?? 0) + count > this.#maxPerOwner) return "owner";
    return this.#open + count > this.#max ? "server" : undefined;
  }

  /**
   * Takes a place, or several. The function that it returns gives them back; calling it again does
   * nothing.
   * @throws TaskStoreError `LIMIT_EXCEEDED`
   */
  take(owner: string, count = 1): () => void {
    const full = this.fullFor(owner, count);
    if (full) throw this.error(full);
    this.#byOwner.set(owner, (this.#byOwner.get(owner) ?? 0) + count);
    this.#open += count;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#open -= count;
      const left = (this.#byOwner.get(owner) ?? 0) - count;
      if (left > 0) this.#byOwner.set(owner, left);
      else this.#byOwner.delete(owner);
    };
  }

  /** Takes a place like `take`, or returns `undefined` if there is none. */
  takeIfFree(owner: string): (() => void) | undefined {
    try {
      return this.take(owner);
    } catch {
      return undefined;
    }
  }

  /** The error that refuses what exceeds this limit. */
  error(full: Full): TaskStoreError {
    const who = full === "owner" ? "This caller has reached its" : "The server has reached its";
    return new TaskStoreError("LIMIT_EXCEEDED", `${who} limit of open ${this.#what}`);
  }
}
