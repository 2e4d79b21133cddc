import { MemoryTaskStore, runTask, startWorker } from "@mcp-task-store/memory";
import { metrics } from "@opentelemetry/api";
import { AggregationTemporality, type DataPoint, MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { instrumented } from "./support/telemetry.ts";

class Reader extends MetricReader {
  protected async onShutdown(): Promise<void> {}
  protected async onForceFlush(): Promise<void> {}

  /** The data points by metric. */
  async read(): Promise<Record<string, DataPoint<unknown>[]>> {
    const { resourceMetrics, errors } = await this.collect();
    expect(errors).toEqual([]);
    const found = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    return Object.fromEntries(
      found.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints as DataPoint<unknown>[]]),
    );
  }
}

function provider(): { reader: Reader; meterProvider: MeterProvider } {
  const reader = new Reader({ aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE });
  const meterProvider = new MeterProvider({ readers: [reader] });
  onTestFinished(() => meterProvider.shutdown());
  return { reader, meterProvider };
}

function stored(): MemoryTaskStore {
  const store = new MemoryTaskStore();
  onTestFinished(() => store.close());
  return store;
}

afterEach(() => metrics.disable());

const done = async () => ({ content: [] });
const system = { "messaging.system": "mcp_task_store" };
const send = { "messaging.operation.name": "send", "messaging.operation.type": "send" };
const process = { "messaging.operation.name": "process", "messaging.operation.type": "process" };
const grind = { ...system, "messaging.destination.name": "grind" };

describe("counters and durations", () => {
  test("of tasks that are made, claimed, run and ended", async () => {
    const store = stored();
    const { reader, meterProvider } = provider();
    instrumented({ meterProvider });
    const { taskId } = await store.createTask({ name: "grind", claimAfterMs: 0 });
    expect(await store.claimTask({ names: ["other"] })).toBe(null);
    const claimed = await store.claimTask({ names: ["grind"] });
    await runTask(store, taskId, async () => ({ content: [], isError: true }), { lease: claimed?.lease });
    await expect(store.createTask({ taskId }, 1, { method: "m" })).rejects.toThrow();
    const found = await reader.read();
    expect(found["messaging.client.sent.messages"]).toMatchObject([
      { attributes: { ...grind, ...send }, value: 1 },
      { attributes: { ...system, ...send, "messaging.destination.name": "m", "error.type": "TASK_EXISTS" }, value: 1 },
    ]);
    expect(found["messaging.client.consumed.messages"]).toMatchObject([
      { attributes: { ...grind, ...process }, value: 1 },
    ]);
    expect(found["messaging.process.duration"]).toMatchObject([
      { attributes: { ...grind, ...process, "error.type": "tool_error" }, value: { count: 1 } },
    ]);
    const calls = found["messaging.client.operation.duration"] ?? [];
    expect(calls.map(({ attributes }) => attributes)).toEqual([
      { ...grind, ...send },
      { ...grind, "messaging.operation.name": "receive", "messaging.operation.type": "receive" },
      { ...grind, "messaging.operation.name": "finishTask", "messaging.operation.type": "settle" },
      { ...system, ...send, "messaging.destination.name": "m", "error.type": "TASK_EXISTS" },
    ]);
    expect(calls[0]?.value).toMatchObject({
      buckets: { boundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] },
    });
    expect(JSON.stringify(found)).not.toContain(taskId);
  });

  test("go to a meter provider that comes late, and to the next one", async () => {
    const store = stored();
    instrumented();
    await store.createTask({ name: "grind" });
    for (const count of [1, 2]) {
      const { reader, meterProvider } = provider();
      metrics.disable();
      metrics.setGlobalMeterProvider(meterProvider);
      for (let made = 0; made < count; made += 1) await store.createTask({ name: "grind" });
      expect((await reader.read())["messaging.client.sent.messages"]).toMatchObject([{ value: count }]);
    }
  });
});

describe("gauges", () => {
  test("show each named store, and count its tasks once in 15 s, only while a reader collects", async () => {
    const [main, reports] = [stored(), stored()];
    const stats = vi.spyOn(main.operations, "stats");
    const { reader, meterProvider } = provider();
    instrumented({ meterProvider, stores: { main, reports } });
    await main.createTask({ name: "grind", claimAfterMs: 0 });
    expect(stats).not.toHaveBeenCalled();
    const found = await reader.read();
    await reader.read();
    expect(stats).toHaveBeenCalledTimes(1);
    expect(found["mcp_task_store.up"]).toMatchObject([
      { attributes: { store: "main" }, value: 1 },
      { attributes: { store: "reports" }, value: 1 },
    ]);
    const of = { store: "main", name: "grind" };
    expect(found["mcp_task_store.tasks"]).toContainEqual(
      expect.objectContaining({ attributes: { ...of, status: "working" }, value: 1 }),
    );
    expect(found["mcp_task_store.claimable"]).toMatchObject([{ attributes: of, value: 1 }]);
    expect(found["mcp_task_store.queue.latency"]).toMatchObject([{ attributes: of }]);
  });

  test("come with a late meter provider, though the process has nothing to do", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    const store = stored();
    instrumented({ stores: store });
    const { reader, meterProvider } = provider();
    metrics.setGlobalMeterProvider(meterProvider);
    vi.advanceTimersByTime(1000);
    expect((await reader.read())["mcp_task_store.up"]).toMatchObject([{ attributes: {}, value: 1 }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("are gone after a stop, also for a provider that comes then", async () => {
    const store = stored();
    const { reader, meterProvider } = provider();
    const stop = instrumented({ stores: store });
    metrics.setGlobalMeterProvider(meterProvider);
    const { taskId } = await store.createTask({ name: "grind" });
    const late = provider();
    await runTask(store, taskId, async () => {
      stop();
      metrics.disable();
      metrics.setGlobalMeterProvider(late.meterProvider);
      return { content: [] };
    });
    expect(await reader.read()).not.toHaveProperty(["mcp_task_store.up"]);
    const found = await late.reader.read();
    expect(found["messaging.process.duration"]).toMatchObject([{ value: { count: 1 } }]);
    expect(found).not.toHaveProperty(["mcp_task_store.up"]);
  });
});

test("an idle worker has no metrics", async () => {
  const store = stored();
  const { reader, meterProvider } = provider();
  instrumented({ meterProvider });
  const worker = startWorker(store, { grind: done });
  await store.claimTask({ names: ["grind"] });
  await worker.stop();
  expect(await reader.read()).toEqual({});
});
