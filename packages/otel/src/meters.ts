import type { MonitoredStores } from "@mcp-task-store/core";
import { readTaskMetrics, realTime, TASK_METRICS } from "@mcp-task-store/core/backend";
import {
  type Attributes,
  type BatchObservableCallback,
  type Counter,
  createNoopMeter,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
} from "@opentelemetry/api";
import { ERROR_TYPE, SCOPE } from "./names.ts";

/** Bounds of the histograms in seconds, as the conventions advise. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** Milliseconds between two looks for a global meter provider. */
const LOOK_MS = 1000;

interface Instruments {
  readonly operation: Histogram;
  readonly process: Histogram;
  readonly sent: Counter;
  readonly consumed: Counter;
  /** Ends the gauges. */
  stop(): void;
}

/** Records a duration, and why the operation failed, if it did. */
type Record = (failed: string | undefined) => void;

/**
 * The instruments. The API has no proxy of a global meter provider: one that is taken before the
 * SDK starts does nothing for ever. So instruments are made again when another provider is there.
 */
export class Meters {
  readonly #given: MeterProvider | undefined;
  #stores: MonitoredStores | undefined;
  #provider: MeterProvider | undefined;
  #made: Instruments | undefined;
  #look: NodeJS.Timeout | undefined;

  constructor(given: MeterProvider | undefined, stores: MonitoredStores | undefined) {
    this.#given = given;
    this.#stores = stores;
    this.#instruments();
    // A process may have nothing to do when the provider comes, and its gauges are read anyway.
    if (stores && this.#isNoop()) this.#look = setInterval(() => this.#lookAgain(), LOOK_MS).unref();
  }

  operation(attributes: Attributes): Record {
    return this.#timer(attributes, ({ operation }) => operation);
  }

  process(attributes: Attributes): Record {
    return this.#timer(attributes, ({ process }) => process);
  }

  sent(attributes: Attributes, failed: string | undefined): void {
    this.#instruments().sent.add(1, withFailure(attributes, failed));
  }

  consumed(attributes: Attributes): void {
    this.#instruments().consumed.add(1, attributes);
  }

  stop(): void {
    clearInterval(this.#look);
    this.#made?.stop();
    // Operations that have begun are measured still, perhaps with a provider that comes now.
    this.#stores = undefined;
  }

  #timer(attributes: Attributes, histogram: (of: Instruments) => Histogram): Record {
    const startedAt = realTime.now();
    return (failed) => {
      const seconds = (realTime.now() - startedAt) / 1000;
      histogram(this.#instruments()).record(seconds, withFailure(attributes, failed));
    };
  }

  #instruments(): Instruments {
    const provider = this.#given ?? metrics.getMeterProvider();
    if (this.#made && provider === this.#provider) return this.#made;
    this.#made?.stop();
    this.#provider = provider;
    this.#made = make(provider.getMeter(SCOPE), this.#stores);
    return this.#made;
  }

  #isNoop(): boolean {
    return this.#provider?.getMeter(SCOPE) === createNoopMeter();
  }

  #lookAgain(): void {
    this.#instruments();
    if (!this.#isNoop()) clearInterval(this.#look);
  }
}

function withFailure(attributes: Attributes, failed: string | undefined): Attributes {
  return failed === undefined ? attributes : { ...attributes, [ERROR_TYPE]: failed };
}

function make(meter: Meter, stores: MonitoredStores | undefined): Instruments {
  const histogram = (name: string, description: string) =>
    meter.createHistogram(name, { description, unit: "s", advice: { explicitBucketBoundaries: BUCKETS } });
  const counter = (name: string, description: string) => meter.createCounter(name, { description, unit: "{message}" });
  return {
    operation: histogram("messaging.client.operation.duration", "Duration of a call that makes, claims or ends a task"),
    process: histogram("messaging.process.duration", "Duration of a run"),
    sent: counter("messaging.client.sent.messages", "Tasks that were made"),
    consumed: counter("messaging.client.consumed.messages", "Runs that began"),
    stop: stores ? observe(meter, stores) : () => undefined,
  };
}

/** Makes the gauges. The stores are asked only while a reader collects. */
function observe(meter: Meter, stores: MonitoredStores): () => void {
  const gauges = new Map(
    TASK_METRICS.map((metric) => [
      metric,
      meter.createObservableGauge(metric.name, { description: metric.description, unit: metric.unit }),
    ]),
  );
  const read: BatchObservableCallback = async (observer) => {
    for (const { metric, value, labels } of await readTaskMetrics(stores)) {
      const gauge = gauges.get(metric);
      if (gauge) observer.observe(gauge, value, { ...labels });
    }
  };
  const all = [...gauges.values()];
  meter.addBatchObservableCallback(read, all);
  return () => meter.removeBatchObservableCallback(read, all);
}
