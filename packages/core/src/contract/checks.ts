/**
 * Longest id, owner and name, in UTF-16 code units. Every database can index a key of this length.
 */
export const MAX_KEY_LENGTH = 512;

/**
 * Whether the string can be a key in every database: well-formed Unicode, no NUL, not too long.
 */
export function isStorableKey(key: unknown): key is string {
  return typeof key === "string" && key.length <= MAX_KEY_LENGTH && key.isWellFormed() && !key.includes("\0");
}

/**
 * Whether the text is a date in ISO 8601. `Date` reads other texts, too, and not as they were
 * meant: `32` as the year 2032.
 */
export function isIsoDate(text: string): boolean {
  return /^(?:\d{4}|[+-]\d{6})-\d\d(?:-\d\d)?(?:[Tt ]|$)/.test(text) && !Number.isNaN(new Date(text).getTime());
}

/** Longest time that `setTimeout` can wait; a longer one would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** Longest ttl, about 31,000 years, so that every sum of a date and a ttl is exact. */
export const MAX_TTL_MS = 1e15;

/**
 * How long a lease lasts, and how long the creator of a task has to take it before a worker may.
 */
export const DEFAULT_LEASE_MS = 30_000;
