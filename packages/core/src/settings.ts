import type { Limits, TaskStoreOptions } from "./contract.ts";
import { invalid, type TaskStoreError } from "./errors.ts";

/** The options of a store with every default in place. */
export interface Settings {
  readonly owner: (sessionId: string | undefined) => string | undefined;
  readonly isolation: "session" | "strict";
  readonly pageSize: number;
  readonly pollInterval: number;
  readonly claimAfterMs: number;
  readonly limits: Readonly<{
    ttl: Readonly<{ default: number | null; min: number; max: number | null }>;
    activeTasks: number | null;
    activeTasksPerOwner: number | null;
    payloadBytes: number;
    messagesPerTask: number | null;
  }>;
  readonly messageTtl: number;
  readonly sweepIntervalMs: number | false;
  readonly fallbackPollMs: number;
  readonly onError: (error: TaskStoreError) => void;
}

/** Longest time that `setTimeout` can wait; a longer one would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** Longest ttl, about 31,000 years, so that every sum of a date and a ttl is exact. */
export const MAX_TTL_MS = 1e15;

/** How long a lease lasts, and how long the creator of a task has to take it before a worker may. */
export const DEFAULT_LEASE_MS = 30_000;

/** @throws TaskStoreError `INVALID_ARGUMENT` unless `value` is a whole number in the range */
function checkWhole(name: string, value: number, min: number, max?: number): number {
  if (!Number.isSafeInteger(checkNumber(name, value, min, max))) throw invalid(`${name} must be a whole number`);
  return value;
}

/** @throws TaskStoreError `INVALID_ARGUMENT` unless `value` is a number in the range */
export function checkNumber(name: string, value: number, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== "number" || !(value >= min && value <= max))
    throw invalid(`${name} must be a number from ${min} to ${max}`);
  return value;
}

function cap(name: keyof Limits, limits: Limits): number | null {
  const value = limits[name] as number | undefined;
  return value === undefined ? null : checkWhole(`limits.${name}`, value, 0);
}

/** @throws TaskStoreError `INVALID_ARGUMENT` for an option that cannot be right */
export function settingsOf(options: TaskStoreOptions): Settings {
  // Who maps callers to owners must not show everything to a caller that maps to none.
  const { limits = {}, isolation = options.owner ? "strict" : "session" } = options;
  const { ttl = {} } = limits;
  if (isolation !== "session" && isolation !== "strict") throw invalid('isolation must be "session" or "strict"');
  const min = checkNumber("limits.ttl.min", ttl.min ?? 0, 0, MAX_TTL_MS);
  const max = ttl.max === undefined ? null : checkNumber("limits.ttl.max", ttl.max, min, MAX_TTL_MS);
  return Object.freeze({
    owner: options.owner ?? ((sessionId: string | undefined) => sessionId),
    isolation,
    pageSize: checkWhole("pageSize", options.pageSize ?? 10, 1, 1000),
    pollInterval: checkNumber("pollInterval", options.pollInterval ?? 1000, 1),
    claimAfterMs: checkNumber("claimAfterMs", options.claimAfterMs ?? DEFAULT_LEASE_MS, 0, MAX_TTL_MS),
    limits: Object.freeze({
      ttl: Object.freeze({
        default: ttl.default == null ? null : checkNumber("limits.ttl.default", ttl.default, 0),
        min,
        max,
      }),
      activeTasks: cap("activeTasks", limits),
      activeTasksPerOwner: cap("activeTasksPerOwner", limits),
      payloadBytes: checkNumber("limits.payloadBytes", limits.payloadBytes ?? 64 * 2 ** 20, 1),
      messagesPerTask: cap("messagesPerTask", limits),
    }),
    messageTtl: checkNumber("messageTtl", options.messageTtl ?? 86_400_000, 1, MAX_TTL_MS),
    sweepIntervalMs:
      options.sweepIntervalMs === false
        ? false
        : checkNumber("sweepIntervalMs", options.sweepIntervalMs ?? 60_000, 1, MAX_TIMER_MS),
    fallbackPollMs: checkNumber("fallbackPollMs", options.fallbackPollMs ?? 5000, 1, MAX_TIMER_MS),
    onError: options.onError ?? ((error) => process.emitWarning(error)),
  });
}

/** The ttl in force for the one asked for. @throws TaskStoreError `INVALID_ARGUMENT` for what is no duration */
export function ttlInForce(asked: number | null | undefined, limits: Settings["limits"]["ttl"]): number | null {
  const wanted = asked === undefined ? limits.default : asked;
  if (wanted === null) return limits.max;
  if (typeof wanted !== "number" || !(wanted >= 0))
    throw invalid("ttl must be null or a number of milliseconds, 0 or larger");
  return Math.ceil(Math.min(Math.max(wanted, limits.min), limits.max ?? MAX_TTL_MS));
}
