const nothing = () => undefined;

/**
 * Calls `listener` with the reason once the signal aborts, or at once if it has aborted. Returns a
 * function that removes the listener. Without that call, the signal of a server's shutdown would
 * keep every run in memory until the server ends. Neither the `signal` option of `addEventListener`
 * nor `AbortSignal.any` removes a listener when its other signal is collected.
 */
export function onAbort(signal: AbortSignal | undefined, listener: (reason: unknown) => void): () => void {
  if (!signal) return nothing;
  if (signal.aborted) {
    listener(signal.reason);
    return nothing;
  }
  const heard = () => listener(signal.reason);
  signal.addEventListener("abort", heard, { once: true });
  return () => signal.removeEventListener("abort", heard);
}

/**
 * Calls `late` after `ms` milliseconds (`undefined` = never). Returns a function that ends the
 * timer. A deadline belongs to the application, so it follows fake timers.
 */
export function deadline(ms: number | undefined, late: () => void): () => void {
  if (ms === undefined) return nothing;
  const timer = setTimeout(late, Math.ceil(ms));
  timer.unref();
  return () => clearTimeout(timer);
}

/** The error of `AbortSignal.timeout`, which we cannot use because its timer cannot be cleared. */
export function timedOut(): DOMException {
  return new DOMException("The operation was aborted due to timeout", "TimeoutError");
}
