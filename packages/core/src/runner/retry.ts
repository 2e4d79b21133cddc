import { MAX_TTL_MS } from "../contract/checks.ts";
import { checks, type OptionTable } from "../contract/option-checks.ts";

/** How failed attempts are repeated. */
export interface RetryOptions {
  /**
   * Most further attempts after the first one.
   * @default 3
   */
  limit?: number | undefined;
  /**
   * Milliseconds before the second attempt.
   * @default 1_000
   */
  delayMs?: number | undefined;
  /**
   * By how much the delay grows from one attempt to the next.
   * @default 2
   */
  factor?: number | undefined;
  /**
   * Longest delay, in milliseconds.
   * @default 60_000
   */
  maxDelayMs?: number | undefined;
  /**
   * The part of a delay that is left to chance, from 0 to 1, so that tasks that failed together do
   * not come back together.
   * @default 0.2
   */
  jitter?: number | undefined;
  /**
   * Whether this error may be repeated.
   * @default every error
   */
  when?: ((error: unknown) => boolean) | undefined;
}

export const RETRY_OPTIONS: OptionTable<RetryOptions> = {
  limit: checks.whole(0, 1_000_000),
  delayMs: checks.number(0, MAX_TTL_MS),
  factor: checks.number(1, 1000),
  maxDelayMs: checks.number(0, MAX_TTL_MS),
  jitter: checks.number(0, 1),
  when: checks.callable,
};

/**
 * Milliseconds to wait after this failure; `undefined` if there is no further attempt.
 * @param failures How many attempts have failed, this one included.
 */
export function retryDelay(retry: RetryOptions | undefined, failures: number, error: unknown): number | undefined {
  if (!retry) return undefined;
  const { limit = 3, delayMs = 1000, factor = 2, maxDelayMs = 60_000, jitter = 0.2, when } = retry;
  if (failures > limit || (when && !when(error))) return undefined;
  const delay = Math.min(delayMs * factor ** (failures - 1), maxDelayMs);
  return delay * (1 - jitter * Math.random());
}
