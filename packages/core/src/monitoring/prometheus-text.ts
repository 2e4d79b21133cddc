import {
  type MonitoredStores,
  readTaskMetrics,
  TASK_METRICS,
  type TaskMetric,
  type TaskMetricsOptions,
  type TaskSample,
} from "./metrics.ts";

/**
 * The metrics of one store, or of several named ones, in Prometheus' text format 0.0.4. Send it as
 * `text/plain; version=0.0.4`. It never rejects because of a database: `mcp_task_store_up` is then
 * 0. Names of tools are labels, and ids and owners are not.
 * @throws TaskStoreError `INVALID_ARGUMENT`
 * @example
 * const text = await prometheusText({ main: store, reports });
 */
export async function prometheusText(stores: MonitoredStores, options: TaskMetricsOptions = {}): Promise<string> {
  const samples = Map.groupBy(await readTaskMetrics(stores, options), ({ metric }) => metric);
  return TASK_METRICS.flatMap((metric) => {
    const found = samples.get(metric);
    return found ? linesOf(metric, found) : [];
  })
    .map((line) => `${line}\n`)
    .join("");
}

function linesOf(metric: TaskMetric, samples: readonly TaskSample[]): string[] {
  const name = metric.name.replaceAll(".", "_") + (metric.unit === "s" ? "_seconds" : "");
  return [
    `# HELP ${name} ${metric.description}`,
    `# TYPE ${name} gauge`,
    ...samples.map(({ labels, value }) => `${name}${braces(labels)} ${value}`),
  ];
}

function braces(labels: TaskSample["labels"]): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escaped(value)}"`);
  return pairs.length > 0 ? `{${pairs.join(",")}}` : "";
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
