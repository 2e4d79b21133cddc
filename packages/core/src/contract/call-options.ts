import { isStorableKey, MAX_TTL_MS } from "./checks.ts";
import { invalid } from "./errors.ts";
import {
  type RegisterNotifierOptions,
  TASK_EVENT_KINDS,
  type TakeEventsOptions,
  type TaskEventKind,
} from "./events.ts";
import { checks, type OptionCheck, type OptionTable } from "./option-checks.ts";
import type {
  CancelTaskOptions,
  ClaimTaskOptions,
  ClaimTasksOptions,
  ConcurrencyLimits,
  CreateTaskOptions,
  GetRecordOptions,
  LeaseOptions,
  NewTaskOptions,
  ReleaseOptions,
  RenewOptions,
  SubscribeOptions,
  WaitForTaskOptions,
  WaitOptions,
  WriteOptions,
} from "./options.ts";
import type { OwnerOptions } from "./owner.ts";
import type { Lease, RecordField, TaskChange } from "./record.ts";
import { isTaskStatus } from "./task.ts";
import type { RunnerStore } from "./task-store.ts";

// The options of each call of a store. An option is `anything` here if the call itself checks its
// value.

/** Without a token, a write would not be fenced. */
export const leaseCheck: OptionCheck = (value) => {
  const { taskId, token } = (value ?? {}) as Partial<Lease>;
  return typeof taskId === "string" && Number.isSafeInteger(token)
    ? undefined
    : "a lease that acquireLease or claimTask returned";
};

const leaseMs = checks.number(1, MAX_TTL_MS);

/** Short, because each lease of a task is kept in its history. */
const shortText: OptionCheck = (value) =>
  typeof value === "string" && value.length <= 100 ? undefined : "a string of at most 100 characters";

export const HOLDER_OPTIONS: OptionTable<NonNullable<LeaseOptions["holder"]>> = {
  worker: shortText,
  version: shortText,
};

const holder = checks.options(HOLDER_OPTIONS);

export const CREATE_OPTIONS: OptionTable<CreateTaskOptions> = {
  ttl: checks.anything,
  pollInterval: checks.anything,
  context: checks.object,
  taskId: checks.anything,
  dedupeKey: checks.anything,
  claimAfterMs: checks.anything,
};

export const NEW_TASK_OPTIONS: OptionTable<Record<keyof NewTaskOptions, unknown>> = {
  ...CREATE_OPTIONS,
  name: checks.text,
  arguments: checks.object,
  method: checks.text,
  params: checks.object,
  owner: (value) =>
    typeof value === "string" ? undefined : "a string: a task has one owner, or none if owner is left out",
  requestId: (value) =>
    typeof value === "string" || Number.isSafeInteger(value) ? undefined : "a string or a whole number",
};

export const OWNER_OPTIONS: OptionTable<OwnerOptions> = { owner: checks.anything };

export const WRITE_OPTIONS: OptionTable<WriteOptions> = { ...OWNER_OPTIONS, lease: leaseCheck };

/** Every field that `getRecord` can be asked for. */
export const RECORD_FIELDS: readonly RecordField[] = [
  "requestId",
  "request",
  "context",
  "inputRequests",
  "result",
  "error",
  "checkpoint",
];

const fields: OptionCheck = (value) =>
  Array.isArray(value) && value.every((field) => RECORD_FIELDS.includes(field))
    ? undefined
    : `an array of ${RECORD_FIELDS.slice(0, -1).join(", ")} or ${RECORD_FIELDS.at(-1)}`;

export const GET_RECORD_OPTIONS: OptionTable<GetRecordOptions> = { ...OWNER_OPTIONS, fields };

export const CANCEL_OPTIONS: OptionTable<CancelTaskOptions> = {
  ...OWNER_OPTIONS,
  statusMessage: checks.anything,
};

export const WAIT_OPTIONS: OptionTable<WaitOptions> = {
  ...OWNER_OPTIONS,
  signal: checks.signal,
  timeoutMs: checks.number(0, Number.POSITIVE_INFINITY),
  keepAlive: checks.flag,
};

export const WAIT_FOR_TASK_OPTIONS: OptionTable<WaitForTaskOptions> = {
  ...WAIT_OPTIONS,
  until: checks.anything,
  after: checks.number(0),
  fields,
};

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

const names: OptionCheck = (value) =>
  Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === "string")
    ? undefined
    : "an array of at least one name";

export const SUBSCRIBE_OPTIONS: OptionTable<SubscribeOptions> = {
  ...OWNER_OPTIONS,
  taskId: checks.anything,
  names,
  statuses: (value) =>
    Array.isArray(value) && value.length > 0 && value.every(isTaskStatus)
      ? undefined
      : "an array of at least one status",
};

export const ACQUIRE_OPTIONS: OptionTable<OwnerOptions & LeaseOptions> = { ...OWNER_OPTIONS, leaseMs, holder };

export const RENEW_OPTIONS: OptionTable<RenewOptions> = {
  traceparent: (value) =>
    typeof value === "string" && TRACEPARENT.test(value) ? undefined : 'a W3C traceparent: "00-" and three more parts',
};

export const RELEASE_OPTIONS: OptionTable<ReleaseOptions> = {
  error: (value) => (typeof value === "string" ? undefined : "a string"),
  delayMs: checks.number(0, MAX_TTL_MS),
  failures: checks.whole(0, Number.MAX_SAFE_INTEGER),
  step: checks.object,
};

const CONCURRENCY_LIMITS: OptionTable<ConcurrencyLimits> = {
  running: checks.whole(1),
  runningPerOwner: checks.whole(1),
};

export const concurrencyCheck = checks.options(CONCURRENCY_LIMITS);

const concurrency: OptionCheck = (value, where, path) => {
  if (checks.object(value) !== undefined) return "an object with limits by name";
  for (const [name, limits] of Object.entries(value as object)) {
    if (limits === undefined) continue;
    const wanted = concurrencyCheck(limits, where, `${path}[${JSON.stringify(name)}]`);
    if (wanted !== undefined) return `an object that has, for each name, ${wanted}`;
  }
  return undefined;
};

export const CLAIM_OPTIONS: OptionTable<ClaimTaskOptions> = { names, leaseMs, holder, concurrency };

export const CLAIM_MANY_OPTIONS: OptionTable<ClaimTasksOptions> = { ...CLAIM_OPTIONS, limit: checks.whole(1, 1000) };

export const DELETE_OPTIONS: OptionTable<{ limit?: unknown }> = { limit: checks.number(1) };

const notifierName: OptionCheck = (value) =>
  typeof value === "string" && value !== "" && isStorableKey(value)
    ? undefined
    : "a well-formed string of 1 to 512 characters";

const kinds: OptionCheck = (value) =>
  Array.isArray(value) && value.length > 0 && value.every((kind) => TASK_EVENT_KINDS.includes(kind as TaskEventKind))
    ? undefined
    : `an array of ${TASK_EVENT_KINDS.slice(0, -1).join(", ")} or ${TASK_EVENT_KINDS.at(-1)}`;

export const REGISTER_OPTIONS: OptionTable<RegisterNotifierOptions> = { name: notifierName, on: kinds };

export const TAKE_EVENTS_OPTIONS: OptionTable<TakeEventsOptions> = {
  notifier: notifierName,
  limit: checks.whole(1, 1000),
  leaseMs,
};

/** Changes and outcomes of a task are checked as options are. */
export const CHANGES: OptionTable<TaskChange> = {
  status: checks.anything,
  statusMessage: checks.anything,
  checkpoint: checks.anything,
  step: checks.object,
};

export const OUTCOMES: OptionTable<Record<"status" | "statusMessage" | "result" | "error", unknown>> = {
  status: checks.anything,
  statusMessage: checks.anything,
  result: checks.anything,
  error: checks.anything,
};

/** @throws TaskStoreError `INVALID_ARGUMENT` unless `store` has the methods of a store */
export function checkStore(where: string, store: RunnerStore): void {
  if (typeof store?.acquireLease !== "function") throw invalid(`${where} needs a task store as its first argument`);
}
