import { invalid, isTaskStoreError } from "../contract/errors.ts";
import type { NotifierStatus } from "../contract/events.ts";
import type { MinuteStats, TaskStats } from "../contract/operations.ts";
import { checkOptions, checks, type OptionTable } from "../contract/option-checks.ts";
import type { TaskStore } from "../contract/task-store.ts";
import { now } from "../process/real-time.ts";

/** A gauge that describes the tasks of a store. */
export interface TaskMetric {
  /** In the text for Prometheus, dots are underscores, and a unit of `s` adds `_seconds`. */
  readonly name: string;
  readonly unit: "" | "s";
  readonly description: string;
}

/** A value of a metric, with its labels. */
export interface TaskSample {
  readonly metric: TaskMetric;
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface TaskMetricsOptions {
  /**
   * How old the counts may be, in milliseconds. However many readers ask, a store counts its tasks
   * once in this time.
   * @default 15_000
   */
  maxAgeMs?: number | undefined;
}

/** One store, or several with a name for each, which becomes the label `store`. */
export type MonitoredStores = TaskStore | Readonly<Record<string, TaskStore>>;

type Key =
  | "up"
  | "complete"
  | "tasks"
  | "running"
  | "claimable"
  | "latency"
  | "stuck"
  | "paused"
  | "ended"
  | "waits"
  | "runs"
  | "undelivered"
  | "setAside"
  | "deliveryLatency";

const METRICS: Readonly<Record<Key, TaskMetric>> = {
  up: metric("up", "1 if the store could count its tasks, 0 if it could not"),
  complete: metric("complete", "1 if all tasks were counted, 0 if of the ended ones only the newest"),
  tasks: metric("tasks", "Tasks in the store, by tool and status"),
  running: metric("running", "Tasks that a runner holds"),
  claimable: metric("claimable", "Tasks that a runner may take and none has"),
  latency: metric("queue.latency", "For how long the oldest claimable task could have been taken", "s"),
  stuck: metric("stuck", "Tasks that seem to need help: overdue, lost, or waiting long for an answer"),
  paused: metric("paused", "1 if the claims of this tool are paused"),
  ended: metric("last_minute.ended", "Tasks that ended in the last full minute, by status"),
  waits: metric("last_minute.wait", "From creation to the first runner, of the tasks that ended in that minute", "s"),
  runs: metric(
    "last_minute.run",
    "From the last runner's start to the end, of the tasks that ended in that minute",
    "s",
  ),
  undelivered: metric("notifier.undelivered", "Events that a notifier has not delivered yet"),
  setAside: metric("notifier.set_aside", "Events that a notifier gave up, until an operator has them redelivered"),
  deliveryLatency: metric("notifier.latency", "Age of the oldest event that a notifier has not delivered yet", "s"),
};

/** Every metric that `readTaskMetrics` reads. */
export const TASK_METRICS: readonly TaskMetric[] = Object.values(METRICS);

function metric(name: string, description: string, unit: TaskMetric["unit"] = ""): TaskMetric {
  return { name: `mcp_task_store.${name}`, unit, description };
}

const MAX_AGE_MS = 15_000;

const OPTIONS: OptionTable<TaskMetricsOptions> = { maxAgeMs: checks.number(0) };

/**
 * The present values of `TASK_METRICS`. A store that fails has the one value `up` = 0.
 * @throws TaskStoreError `INVALID_ARGUMENT`
 */
export async function readTaskMetrics(
  stores: MonitoredStores,
  options: TaskMetricsOptions = {},
): Promise<TaskSample[]> {
  checkOptions("readTaskMetrics", options, OPTIONS);
  const { maxAgeMs = MAX_AGE_MS } = options;
  const samples = named(stores).map(async ([name, store]) => {
    const counted = await recentCounts(store, maxAgeMs);
    return samplesOf(counted, name === undefined ? {} : { store: name });
  });
  return (await Promise.all(samples)).flat();
}

function named(stores: MonitoredStores): [name: string | undefined, store: TaskStore][] {
  const given: [string | undefined, TaskStore][] =
    typeof stores?.createTask === "function" ? [[undefined, stores as TaskStore]] : Object.entries(stores ?? {});
  if (given.length === 0 || given.some(([, store]) => typeof store?.operations?.stats !== "function"))
    throw invalid("Metrics need a task store, or an object of named task stores");
  return given;
}

interface Counts {
  readonly stats: TaskStats;
  readonly notifiers: readonly NotifierStatus[];
}

interface Recent {
  readonly counts: Promise<Counts | undefined>;
  /** Infinity while the store counts, so that all readers wait for the same count. */
  readAt: number;
}

const recent = new WeakMap<TaskStore, Recent>();

/** A failure is kept as well, as `undefined`, so that a database that is down gets few calls. */
function recentCounts(store: TaskStore, maxAgeMs: number): Promise<Counts | undefined> {
  const last = recent.get(store);
  if (last && now() - last.readAt < maxAgeMs) return last.counts;
  const counts = counted(store).catch(() => undefined);
  const next: Recent = { counts, readAt: Number.POSITIVE_INFINITY };
  recent.set(store, next);
  void counts.then(() => {
    next.readAt = now();
  });
  return counts;
}

async function counted({ operations }: TaskStore): Promise<Counts> {
  const stats = await operations.stats();
  try {
    return { stats, notifiers: await operations.notifiers() };
  } catch (error) {
    if (isTaskStoreError(error, "NOT_SUPPORTED")) return { stats, notifiers: [] };
    throw error;
  }
}

function samplesOf(counts: Counts | undefined, labels: TaskSample["labels"]): TaskSample[] {
  const samples: TaskSample[] = [];
  const add = (key: Key, value: number, more: TaskSample["labels"] = {}) =>
    void samples.push({ metric: METRICS[key], value, labels: { ...labels, ...more } });
  add("up", counts ? 1 : 0);
  if (!counts) return samples;
  const { stats, notifiers } = counts;
  add("complete", stats.complete ? 1 : 0);
  for (const [name, of] of Object.entries(stats.names)) {
    for (const [status, count] of Object.entries(of.counts)) add("tasks", count, { name, status });
    add("running", of.running, { name });
    add("claimable", of.claimable, { name });
    add("latency", (of.oldestClaimableMs ?? 0) / 1000, { name });
    add("stuck", of.stuck, { name });
    add("paused", of.paused ? 1 : 0, { name });
  }
  for (const { name: notifier, waiting, setAside, oldestAt } of notifiers) {
    add("undelivered", waiting, { notifier });
    add("setAside", setAside, { notifier });
    const age = oldestAt === undefined ? 0 : Date.parse(stats.at) - Date.parse(oldestAt);
    add("deliveryLatency", Math.max(age, 0) / 1000, { notifier });
  }
  // The last entry is the present minute, which goes on.
  const minute: MinuteStats | undefined = stats.minutes.at(-2);
  if (!minute) return samples;
  for (const status of ["completed", "failed", "cancelled"] as const) add("ended", minute[status], { status });
  for (const [key, times] of [["waits", minute.waitMs] as const, ["runs", minute.runMs] as const]) {
    if (!times) continue;
    add(key, times.p50 / 1000, { quantile: "0.5" });
    add(key, times.p95 / 1000, { quantile: "0.95" });
    add(key, times.p99 / 1000, { quantile: "0.99" });
  }
  return samples;
}
