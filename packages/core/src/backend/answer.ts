/** What a backend answers: at once, or by a promise. */
export type Answer<T> = T | Promise<T>;

/**
 * Whether the answer is a promise. A caller that awaits no other answer saves a promise, which is
 * noticed by a store in memory alone.
 */
export function isLater<T>(answer: Answer<T>): answer is Promise<T> {
  return typeof (answer as Partial<Promise<T>> | undefined)?.then === "function";
}
