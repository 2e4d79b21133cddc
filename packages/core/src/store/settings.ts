import { Codec } from "../codec/codec.ts";
import { isStageId } from "../codec/frame.ts";
import { DEFAULT_LEASE_MS, MAX_TIMER_MS, MAX_TTL_MS } from "../contract/checks.ts";
import type { PayloadCodec, PayloadStage } from "../contract/codec.ts";
import { invalid, type TaskStoreError } from "../contract/errors.ts";
import { checkOptions, checks, type OptionCheck, type OptionTable, pickOptions } from "../contract/option-checks.ts";
import type { Limits, TaskStoreOptions, TtlLimits } from "../contract/options.ts";

/** The options of a store with every default in place. */
export interface Settings {
  readonly owner: (sessionId: string | undefined) => string | undefined;
  readonly isolation: "sdk" | "strict";
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
  readonly messageTtlMs: number;
  readonly sweepIntervalMs: number | false;
  readonly fallbackPollMs: number;
  readonly onError: (error: TaskStoreError) => void;
  readonly codec: Codec | undefined;
}

const TTL_LIMITS: OptionTable<TtlLimits> = {
  default: checks.or(checks.number(0), null),
  min: checks.number(0, MAX_TTL_MS),
  max: checks.number(0, MAX_TTL_MS),
};

const LIMITS: OptionTable<Limits> = {
  ttl: checks.options(TTL_LIMITS),
  activeTasks: checks.whole(0),
  activeTasksPerOwner: checks.whole(0),
  payloadBytes: checks.number(1),
  messagesPerTask: checks.whole(0),
};

const stageCheck: OptionCheck = (value) => {
  const { id, encode, decode } = (value ?? {}) as Partial<PayloadStage>;
  const is = typeof encode === "function" && typeof decode === "function" && isStageId(id);
  return is ? undefined : "a stage of a codec, such as compress() or aesGcm({ keys, current }) make";
};

const CODEC: OptionTable<PayloadCodec> = { compress: stageCheck, encrypt: stageCheck, offload: stageCheck };

/** The options that every store has. */
export const STORE_OPTIONS: OptionTable<TaskStoreOptions> = {
  owner: checks.callable,
  isolation: checks.oneOf("sdk", "strict"),
  pageSize: checks.whole(1, 1000),
  pollInterval: checks.number(1),
  claimAfterMs: checks.number(0, MAX_TTL_MS),
  limits: checks.options(LIMITS),
  codec: checks.options(CODEC),
  messageTtlMs: checks.number(1, MAX_TTL_MS),
  sweepIntervalMs: checks.or(checks.number(1, MAX_TIMER_MS), false),
  fallbackPollMs: checks.number(1, MAX_TIMER_MS),
  onError: checks.callable,
};

/**
 * Checks the options of an adapter's store, and separates the options of its backend from those of
 * every store. An option that both know, such as `onError`, is in both parts.
 * @throws TaskStoreError `INVALID_ARGUMENT` for an unknown or invalid option
 */
export function splitOptions<Own>(
  where: string,
  options: Own & TaskStoreOptions,
  own: OptionTable<Own>,
): { own: Own; store: TaskStoreOptions } {
  checkOptions(where, options, { ...STORE_OPTIONS, ...own });
  return { own: pickOptions(options as object, own), store: pickOptions(options as object, STORE_OPTIONS) };
}

/** @throws TaskStoreError `INVALID_ARGUMENT` for an unknown or invalid option */
export function settingsOf(options: TaskStoreOptions): Settings {
  checkOptions("The task store", options, STORE_OPTIONS);
  // With an `owner` mapper, an unmapped caller must not see every task, so isolation defaults to
  // strict.
  const { limits = {}, isolation = options.owner ? "strict" : "sdk" } = options;
  const { default: ttl = null, min = 0, max = null } = limits.ttl ?? {};
  if (max !== null && max < min) throw invalid("limits.ttl.max must not be smaller than limits.ttl.min");
  const stages = Object.values(options.codec ?? {}).filter((stage) => stage !== undefined);
  if (new Set(stages.map(({ id }) => id)).size < stages.length)
    throw invalid("Two stages of the codec have the same id, so no payload could say which one has changed it");
  return Object.freeze({
    owner: options.owner ?? ((sessionId: string | undefined) => sessionId),
    isolation,
    pageSize: options.pageSize ?? 10,
    pollInterval: options.pollInterval ?? 1000,
    claimAfterMs: options.claimAfterMs ?? DEFAULT_LEASE_MS,
    limits: Object.freeze({
      ttl: Object.freeze({ default: ttl, min, max }),
      activeTasks: limits.activeTasks ?? null,
      activeTasksPerOwner: limits.activeTasksPerOwner ?? null,
      payloadBytes: limits.payloadBytes ?? 64 * 2 ** 20,
      messagesPerTask: limits.messagesPerTask ?? null,
    }),
    messageTtlMs: options.messageTtlMs ?? 86_400_000,
    sweepIntervalMs: options.sweepIntervalMs ?? 60_000,
    fallbackPollMs: options.fallbackPollMs ?? 5000,
    codec: options.codec && stages.length > 0 ? new Codec(options.codec) : undefined,
    onError: options.onError ?? ((error) => process.emitWarning(error)),
  });
}

/**
 * The ttl in force when a caller asks for this one.
 * @throws TaskStoreError `INVALID_ARGUMENT` unless it is a duration
 */
export function ttlInForce(asked: number | null | undefined, limits: Settings["limits"]["ttl"]): number | null {
  const wanted = asked === undefined ? limits.default : asked;
  if (wanted === null) return limits.max;
  if (typeof wanted !== "number" || !(wanted >= 0))
    throw invalid("ttl must be null or a number of milliseconds, 0 or larger");
  return Math.ceil(Math.min(Math.max(wanted, limits.min), limits.max ?? MAX_TTL_MS));
}
