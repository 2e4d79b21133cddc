import { invalid } from "./errors.ts";
import { isStorableKey } from "./json.ts";
import { checkNumber, MAX_TIMER_MS } from "./settings.ts";
import type { PollerOptions } from "./task-poller.ts";

export type PollerSettings = ReturnType<typeof pollerSettings>;

/** The options of a poller with every default in place. @throws TaskStoreError `INVALID_ARGUMENT` for what cannot be right */
export function pollerSettings(options: PollerOptions) {
  const { name = "tasks/get", poll, fetchResult, onChange, onEnd, onStalled } = options;
  if (typeof poll !== "function") throw invalid("startPoller needs poll");
  // Local tasks of `tools/call` would have the name of a tool.
  if (name === "" || name === "tools/call" || !isStorableKey(name))
    throw invalid("name must be a method other than tools/call");
  const ms = (key: keyof PollerOptions, fallback: number, min: number) =>
    checkNumber(key, (options[key] as number | undefined) ?? fallback, min, MAX_TIMER_MS);
  const minIntervalMs = ms("minIntervalMs", 100, 1);
  return {
    name,
    poll,
    fetchResult,
    onChange,
    onEnd,
    onStalled,
    onError: options.onError ?? ((error: unknown) => process.emitWarning(asError(error))),
    concurrency: checkNumber("concurrency", options.concurrency ?? 16, 1),
    stalledAfterMs: ms("stalledAfterMs", 600_000, 1),
    timeoutMs: ms("timeoutMs", 30_000, 1),
    intervalMs: ms("intervalMs", 1000, 0),
    minIntervalMs,
    maxIntervalMs: ms("maxIntervalMs", Math.max(3_600_000, minIntervalMs), minIntervalMs),
    idleIntervalMs: ms("idleIntervalMs", 30_000, 0),
    errorIntervalMs: ms("errorIntervalMs", 60_000, 0),
    leaseMs: ms("leaseMs", 120_000, 2),
    claimMs: ms("claimMs", 1000, 1),
  };
}

function asError(error: unknown): Error | string {
  return error instanceof Error ? error : String(error);
}

/** Calls a callback; an error in it is the application's, and must not end the poller. */
export function tell(call: () => unknown): void {
  void (async () => call())().catch((error: unknown) => process.emitWarning(asError(error)));
}
