import { TaskStoreError } from "@mcp-task-store/core";
import { Quota, type QuotaLimit } from "@mcp-task-store/core/backend";

/**
 * Limits how much is open at a time, in total and for each owner. All anonymous callers count as
 * one owner.
 */
export class Places extends Quota<string> {
  readonly #what: string;

  /** @param what Names the open things in the error message. */
  constructor(what: string, max: number, maxPerOwner: number) {
    super(max, maxPerOwner);
    this.#what = what;
  }

  /**
   * Takes a place, or several. The function that it returns gives them back; calling it again does
   * nothing.
   * @throws TaskStoreError `LIMIT_EXCEEDED`
   */
  take(owner: string, count = 1): () => void {
    const full = this.fullFor(owner, count);
    if (full) throw this.error(full);
    return this.hold(owner, count);
  }

  /** Takes a place like `take`, or returns `undefined` if there is none. */
  takeIfFree(owner: string): (() => void) | undefined {
    return this.fullFor(owner) ? undefined : this.hold(owner);
  }

  /** The error that refuses what exceeds this limit. */
  error(full: QuotaLimit): TaskStoreError {
    const who = full === "own" ? "This caller has reached its" : "The server has reached its";
    return new TaskStoreError("LIMIT_EXCEEDED", `${who} limit of open ${this.#what}`);
  }
}
