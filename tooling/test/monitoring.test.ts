import { readFileSync } from "node:fs";
import { MemoryTaskStore, prometheusText, runTask } from "@mcp-task-store/memory";
import { instrumentTaskStores } from "@mcp-task-store/otel";
import {
  AggregationTemporality,
  DataPointType,
  MeterProvider,
  type MetricData,
  MetricReader,
} from "@opentelemetry/sdk-metrics";
import { beforeAll, expect, test } from "vitest";
import { parse } from "yaml";

// The examples of alerts and of a dashboard ask only for metrics and labels that exist.

interface Query {
  readonly place: string;
  readonly text: string;
}

function read(name: string): string {
  return readFileSync(new URL(`../docs/run/monitoring/${name}`, import.meta.url), "utf8");
}

interface Rules {
  groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[];
}

interface Dashboard {
  panels: { id: number; title: string; gridPos: object; targets: { expr: string; legendFormat: string }[] }[];
  templating: { list: { name: string; query: string }[] };
}

const rules = (parse(read("alerts.yml")) as Rules).groups.flatMap((group) => group.rules);
const { panels, templating } = JSON.parse(read("dashboard.json")) as Dashboard;

const queries: readonly Query[] = [
  ...rules.map(({ alert, expr }) => ({ place: alert, text: expr })),
  ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ place: title, text: expr }))),
];

class Reader extends MetricReader {
  protected async onShutdown(): Promise<void> {}
  protected async onForceFlush(): Promise<void> {}
}

/** The names in Prometheus, by the rules of OpenTelemetry's specification, with their labels. */
function inPrometheus({ descriptor, dataPointType, dataPoints }: MetricData): [name: string, labels: string[]][] {
  const base = descriptor.name.replaceAll(".", "_") + (descriptor.unit === "s" ? "_seconds" : "");
  const labels = dataPoints.flatMap(({ attributes }) => Object.keys(attributes).map((key) => key.replaceAll(".", "_")));
  if (dataPointType === DataPointType.HISTOGRAM)
    return ["_bucket", "_count", "_sum"].map((end) => [base + end, [...labels, "le"]]);
  return [[dataPointType === DataPointType.SUM ? `${base}_total` : base, labels]];
}

function fromText(text: string): [name: string, labels: string[]][] {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return lines.map((line) => {
    const [, name = "", labels = ""] = /^(\w+)(?:\{(.*)\})? /.exec(line) ?? [];
    return [name, [...labels.matchAll(/(\w+)="/g)].map(([, label = ""]) => label)];
  });
}

/** The labels of each metric that exists. */
const otel = new Map<string, Set<string>>();
const text = new Map<string, Set<string>>();

function add(to: typeof otel, found: readonly [name: string, labels: string[]][]): void {
  for (const [name, labels] of found) to.set(name, new Set([...(to.get(name) ?? []), ...labels]));
}

beforeAll(async () => {
  let time = Date.now();
  await using main = new MemoryTaskStore({ clock: { now: () => time } });
  const reader = new Reader({ aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const stop = instrumentTaskStores({ meterProvider, stores: { main } });
  await main.events.register({ name: "audit", on: ["end"] });
  const { taskId } = await main.createTask({ taskId: "1" }, 1, { method: "grind" });
  await main.createTask({ taskId }, 1, { method: "grind" }).catch(() => undefined);
  await runTask(main, taskId, async () => ({ content: [] }));
  // What ended shows once its minute is over.
  time += 60_000;
  await main.createTask({ name: "grind" });
  const { resourceMetrics } = await reader.collect();
  add(otel, resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics).flatMap(inPrometheus));
  add(text, fromText(await prometheusText({ main }, { maxAgeMs: 0 })));
  stop();
  await meterProvider.shutdown();
});

test("the text and OpenTelemetry have the same gauges, with the same labels", () => {
  const gauges = [...otel].filter(([name]) => name.startsWith("mcp_task_store_"));
  expect(gauges.length).toBe(14);
  expect(Object.fromEntries(text)).toEqual(Object.fromEntries(gauges));
});

/** Words of PromQL itself. */
const WORDS = new Set("min max sum by rate avg_over_time histogram_quantile unless on and or".split(" "));

test.each(queries)("$place asks for metrics that exist: $text", ({ text: query }) => {
  const used: string[] = [];
  // Selectors first, then what remains without the lists of labels and the durations.
  const rest = query.replaceAll(/(\w+)\{([^}]*)\}/g, (_, name: string, selectors: string) => {
    used.push(name);
    for (const [, label = ""] of selectors.matchAll(/(\w+)\s*(?:=~|!=|=)/g)) expect(otel.get(name)).toContain(label);
    return " ";
  });
  const labels = [...rest.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(/,\s*/));
  const words = rest.replaceAll(/\bby\s*\([^)]*\)|\[[^\]]*\]/g, " ").match(/[a-z_]\w*/g) ?? [];
  used.push(...words.filter((word) => !WORDS.has(word)));
  expect(used).not.toEqual([]);
  for (const name of used) {
    expect([...otel.keys()]).toContain(name);
    expect([...labels].filter((label) => !otel.get(name)?.has(label))).toEqual([]);
  }
});

test("each alert says what it means, and each panel has a place, a title and a legend", () => {
  expect(rules.length).toBeGreaterThan(0);
  expect(rules.filter(({ annotations }) => !annotations.summary)).toEqual([]);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  expect(new Set(panels.map(({ gridPos }) => JSON.stringify(gridPos))).size).toBe(panels.length);
  expect(panels.filter(({ title, targets }) => !title || targets.some(({ legendFormat }) => !legendFormat))).toEqual(
    [],
  );
  const variables = new Set(templating.list.map(({ name }) => name));
  const asked = [...read("dashboard.json").matchAll(/\$\{?([a-z]\w*)\}?/g)].map(([, name = ""]) => name);
  expect(asked.filter((name) => !variables.has(name))).toEqual([]);
});
