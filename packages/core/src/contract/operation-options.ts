import { RECORD_FIELDS } from "./call-options.ts";
import { isIsoDate, isStorableKey } from "./checks.ts";
import type { ListEventsOptions, RedeliverOptions } from "./events.ts";
import type {
  BulkOptions,
  CancelTasksOptions,
  ExportOptions,
  ImportOptions,
  ListRecordsOptions,
  OperatorField,
  PayloadFilter,
  RerunOptions,
  RotateOptions,
  StatsOptions,
  StatusOrKind,
  StuckLimits,
  TaskFilter,
  TimeRange,
} from "./operations.ts";
import { checks, type OptionCheck, type OptionTable } from "./option-checks.ts";
import { isTaskStatus } from "./task.ts";

// The options of each call of an operator.

/** One value, or an array of at least one. */
const oneOrMore =
  (isRight: (value: unknown) => boolean, wanted: string): OptionCheck =>
  (value) => {
    const all = Array.isArray(value) ? value : [value];
    return all.length > 0 && all.every(isRight) ? undefined : `${wanted}, or an array of them`;
  };

const isKey = (value: unknown) => typeof value === "string" && isStorableKey(value);

const isStatus = (value: unknown): value is StatusOrKind =>
  value === "active" || value === "ended" || isTaskStatus(value);

const time: OptionCheck = (value) =>
  (value instanceof Date && !Number.isNaN(value.getTime())) || (typeof value === "string" && isIsoDate(value))
    ? undefined
    : "a Date or a date in ISO 8601";

const RANGE: OptionTable<TimeRange> = { after: time, before: time };

const ms = checks.number(0);

const STUCK: OptionTable<StuckLimits> = { overdueMs: ms, waitingMs: ms };

const PAYLOAD: OptionTable<PayloadFilter> = {
  arguments: checks.object,
  params: checks.object,
  context: checks.object,
  result: checks.object,
  error: checks.object,
};

export const FILTER_OPTIONS: OptionTable<TaskFilter> = {
  status: oneOrMore(isStatus, "working, input_required, completed, failed, cancelled, active or ended"),
  name: oneOrMore(isKey, "a name"),
  id: oneOrMore(isKey, "an id"),
  owner: oneOrMore((value) => value === null || isKey(value), "an owner or null"),
  // Half a character at the end would mean another thing in each database.
  idPrefix: (value) => (isKey(value) && value !== "" ? undefined : "the beginning of an id, of whole characters"),
  created: checks.options(RANGE),
  changed: checks.options(RANGE),
  ended: checks.options(RANGE),
  attempts: checks.options({ min: checks.whole(0), max: checks.whole(0) }),
  stuck: checks.or(checks.options(STUCK), true, false),
  holder: checks.options({ host: checks.text, pid: checks.whole(0), worker: checks.text }),
  payload: checks.options(PAYLOAD),
};

export const OPERATOR_FIELDS: readonly OperatorField[] = [...RECORD_FIELDS, "rerunOf"];

const fields: OptionCheck = (value) =>
  Array.isArray(value) && value.every((field) => OPERATOR_FIELDS.includes(field))
    ? undefined
    : `an array of ${OPERATOR_FIELDS.slice(0, -1).join(", ")} or ${OPERATOR_FIELDS.at(-1)}`;

export const OPERATOR_RECORD_OPTIONS: OptionTable<{ fields: unknown }> = { fields };

export const LIST_RECORDS_OPTIONS: OptionTable<ListRecordsOptions<OperatorField>> = {
  where: checks.anything,
  order: checks.oneOf("newest", "oldest"),
  limit: checks.whole(1, 1000),
  cursor: checks.anything,
  scan: checks.whole(1),
  fields,
};

export const BULK_OPTIONS: OptionTable<BulkOptions> = {
  dryRun: checks.flag,
  signal: checks.signal,
  onProgress: checks.callable,
};

export const CANCEL_TASKS_OPTIONS: OptionTable<CancelTasksOptions> = {
  ...BULK_OPTIONS,
  statusMessage: checks.anything,
};

export const RERUN_OPTIONS: OptionTable<RerunOptions> = {
  arguments: checks.object,
  taskId: checks.anything,
  claimAfterMs: checks.anything,
};

export const EXPORT_OPTIONS: OptionTable<ExportOptions> = {
  where: checks.anything,
  follow: checks.flag,
  pollMs: checks.milliseconds(1),
  signal: checks.signal,
};

export const IMPORT_OPTIONS: OptionTable<ImportOptions> = { signal: checks.signal, onProgress: checks.callable };

export const ROTATE_OPTIONS: OptionTable<RotateOptions> = { ...BULK_OPTIONS, cursor: checks.anything };

export const STATS_OPTIONS: OptionTable<StatsOptions> = { scan: checks.whole(1), owner: FILTER_OPTIONS.owner };

const MOST_IDS = 1000;

export const LIST_EVENTS_OPTIONS: OptionTable<ListEventsOptions> = {
  notifier: checks.text,
  setAside: checks.flag,
  limit: checks.whole(1, 1000),
  cursor: checks.anything,
};

export const REDELIVER_OPTIONS: OptionTable<RedeliverOptions> = {
  notifier: checks.text,
  ids: (value) =>
    Array.isArray(value) && value.length <= MOST_IDS && value.every((id) => typeof id === "string")
      ? undefined
      : `an array of at most ${MOST_IDS} ids`,
  all: checks.oneOf(true),
};
