/**
 * Says that a delivery failed, and when to try again. A delivery may throw any other error as well.
 * Operators see the message, so leave addresses and secrets out of it.
 * @example
 * throw new DeliveryError("The queue is full", { retryAfterMs: 60_000 });
 */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";
  /** The next delivery comes no sooner than this many milliseconds from now. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: { retryAfterMs?: number | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
  }
}
