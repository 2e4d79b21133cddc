import { TaskStoreError } from "@mcp-task-store/core";

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

  /**
   * Takes a place. The function that it returns gives the place back; calling it again does
   * nothing.
   * @throws TaskStoreError `LIMIT_EXCEEDED`
   */
  take(owner: string): () => void {
    const taken = this.#byOwner.get(owner) ?? 0;
    if (taken >= this.#maxPerOwner) throw this.#full(`This caller has reached its limit of open ${this.#what}`);
    if (this.#open >= this.#max) throw this.#full(`The server has reached its limit of open ${this.#what}`);
    this.#byOwner.set(owner, taken + 1);
    this.#open += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#open -= 1;
      const left = (this.#byOwner.get(owner) ?? 0) - 1;
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

  #full(message: string): TaskStoreError {
    return new TaskStoreError("LIMIT_EXCEEDED", message);
  }
}
