import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { LostMessage, MonitoredStores, TracedOperation, TraceMessage } from "@mcp-task-store/core";
import { checkOptions, checks, type OptionTable } from "@mcp-task-store/core/backend";
import { type MeterProvider, type TracerProvider, trace } from "@opentelemetry/api";
import { Meters } from "./meters.ts";
import { Spans } from "./spans.ts";

export interface InstrumentOptions {
  /** @default the global one, also if it is set later */
  tracerProvider?: TracerProvider | undefined;
  /** @default the global one, also if it is set later */
  meterProvider?: MeterProvider | undefined;
  /**
   * The stores whose tasks are counted for the gauges: one, or several by name. Spans and the other
   * metrics are of every store of the process.
   * @default no gauges
   */
  stores?: MonitoredStores | undefined;
}

const OPTIONS: OptionTable<InstrumentOptions> = {
  tracerProvider: checks.object,
  meterProvider: checks.object,
  stores: (value) => (areStores(value) ? undefined : "a task store, or an object of named task stores"),
};

function areStores(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const all: unknown[] = isStore(value) ? [value] : Object.values(value);
  return all.length > 0 && all.every(isStore);
}

function isStore(value: unknown): boolean {
  const { operations } = (value ?? {}) as { operations?: { stats?: unknown } };
  return typeof operations?.stats === "function";
}

/**
 * Makes OpenTelemetry spans and metrics of what every store and run of this process does. Call it
 * once, at the start of the process. Returns a function that ends it; spans that have begun end
 * with their operations.
 * @throws TaskStoreError `INVALID_ARGUMENT`
 * @example
 * const stop = instrumentTaskStores({ stores: { main: store } });
 */
export function instrumentTaskStores(options: InstrumentOptions = {}): () => void {
  checkOptions("instrumentTaskStores", options, OPTIONS);
  const { tracerProvider = trace, meterProvider, stores } = options;
  const meters = new Meters(meterProvider, stores);
  const spans = new Spans(tracerProvider, meters);
  const on: Readonly<Record<TracedOperation, (message: TraceMessage) => void>> = {
    create: (message) => spans.create(message),
    run: (message) => spans.run(message),
    write: (message) => spans.call(message),
    wait: (message) => spans.call(message),
    ask: (message) => spans.call(message),
    answer: (message) => spans.call(message),
    claim: (message) => spans.claim(message),
    lease: (message) => spans.lease(message),
    sweep: (message) => spans.sweep(message),
  };
  // The start of an operation is enough, since `within` sees its end, also after a stop.
  const listeners = Object.entries(on).map(([operation, listener]) => ({
    channel: `tracing:mcp-task-store.${operation}:start`,
    listener: (message: unknown) => listener(message as TraceMessage),
  }));
  listeners.push({ channel: "mcp-task-store.lost", listener: (message) => spans.lost(message as LostMessage) });
  for (const { channel, listener } of listeners) subscribe(channel, listener);
  return () => {
    for (const { channel, listener } of listeners) unsubscribe(channel, listener);
    meters.stop();
  };
}
