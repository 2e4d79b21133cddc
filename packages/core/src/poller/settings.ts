import { isStorableKey, MAX_TIMER_MS } from "../contract/checks.ts";
import { invalid } from "../contract/errors.ts";
import { checked, checkOptions, checks, type OptionTable } from "../contract/option-checks.ts";
import { reporter, warn } from "../process/reporter.ts";
import type { FollowOptions, PollerOptions } from "./task-poller.ts";

const nothing = () => undefined;
const ms = (min: number) => checks.number(min, MAX_TIMER_MS);

const POLLER_OPTIONS: OptionTable<PollerOptions> = {
  poll: checks.callable,
  fetchResult: checks.callable,
  onChange: checks.callable,
  onEnd: checks.callable,
  onStalled: checks.callable,
  onError: checks.callable,
  // Local tasks of `tools/call` would have the name of a tool.
  name: (value) =>
    typeof value === "string" && value !== "" && value !== "tools/call" && isStorableKey(value)
      ? undefined
      : "a method other than tools/call",
  concurrency: checks.number(1),
  stalledAfterMs: ms(1),
  timeoutMs: ms(1),
  intervalMs: ms(0),
  minIntervalMs: ms(1),
  maxIntervalMs: ms(1),
  idleIntervalMs: ms(0),
  errorIntervalMs: ms(0),
  leaseMs: ms(2),
  claimPollMs: ms(1),
};

export const FOLLOW_OPTIONS: OptionTable<FollowOptions> = { task: checks.object, ttl: checks.anything };

export type PollerSettings = ReturnType<typeof pollerSettings>;

/**
 * The options of a poller with every default in place.
 * @throws TaskStoreError `INVALID_ARGUMENT` for invalid options
 */
export function pollerSettings(options: PollerOptions) {
  checkOptions("startPoller", options, POLLER_OPTIONS);
  const { name = "tasks/get", poll, fetchResult } = options;
  const { onChange = nothing, onEnd = nothing, onStalled = nothing, onError = warn } = options;
  if (poll === undefined) throw invalid("startPoller needs poll, a function that performs tasks/get");
  const minIntervalMs = options.minIntervalMs ?? 100;
  const maxIntervalMs = options.maxIntervalMs ?? Math.max(3_600_000, minIntervalMs);
  return {
    name,
    poll,
    fetchResult,
    onChange: reporter(onChange),
    onEnd: reporter(onEnd),
    onStalled: reporter(onStalled),
    onError: reporter(onError),
    concurrency: options.concurrency ?? 16,
    stalledAfterMs: options.stalledAfterMs ?? 600_000,
    timeoutMs: options.timeoutMs ?? 30_000,
    intervalMs: options.intervalMs ?? 1000,
    minIntervalMs,
    maxIntervalMs: checked("maxIntervalMs", maxIntervalMs, ms(minIntervalMs)),
    idleIntervalMs: options.idleIntervalMs ?? 30_000,
    errorIntervalMs: options.errorIntervalMs ?? 60_000,
    leaseMs: options.leaseMs ?? 120_000,
    claimPollMs: options.claimPollMs ?? 1000,
  };
}
