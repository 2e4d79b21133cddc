/**
 * Keeps the order of writes whose payloads take different times to encode. Without it, the second
 * of two calls that are not awaited could come first.
 */
export class InOrder {
  /** What is to be ready before the next write to each task. */
  readonly #last = new Map<string, Promise<unknown>>();

  isBusy(taskId: string): boolean {
    return this.#last.has(taskId);
  }

  /** Resolves to what `prepare` resolves to, after all that was prepared before for the task. */
  prepared<T>(taskId: string, prepare: () => Promise<T>): Promise<T> {
    const before = this.#last.get(taskId);
    const own = prepare();
    // A failure of one must not fail the next.
    const turn = Promise.allSettled([before, own]).then(() => own);
    this.#last.set(taskId, turn);
    const forget = () => {
      if (this.#last.get(taskId) === turn) this.#last.delete(taskId);
    };
    turn.then(forget, forget);
    return turn;
  }
}
