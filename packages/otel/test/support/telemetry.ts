import { type InstrumentOptions, instrumentTaskStores } from "@mcp-task-store/otel";
import { trace } from "@opentelemetry/api";
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-node";
import { onTestFinished } from "vitest";

const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();

/** Instruments the stores for one test. */
export function instrumented(options: InstrumentOptions = {}): () => void {
  exporter.reset();
  const stop = instrumentTaskStores(options);
  onTestFinished(stop);
  return stop;
}

/** Leaves the spans of a test's set-up out of what follows. */
export function forgetSpans(): void {
  exporter.reset();
}

/** The spans that have ended, in this order. */
export function spans(): ReadableSpan[] {
  return exporter.getFinishedSpans();
}

export function span(name: string): ReadableSpan {
  const found = spans().filter((each) => each.name === name);
  if (found.length !== 1)
    throw new Error(`There are ${found.length} spans ${name} of ${spans().map((each) => each.name)}`);
  return found[0] as ReadableSpan;
}

/** The names of the spans, each under its parent's, in the order of their starts. */
export function tree(
  of: readonly Pick<ReadableSpan, "name" | "startTime" | "parentSpanContext" | "spanContext">[],
): object {
  const ids = new Set(of.map((each) => each.spanContext().spanId));
  const under = (parent: string | undefined): object =>
    of
      .filter(({ parentSpanContext }) => {
        const id = parentSpanContext?.spanId;
        return parent === undefined ? id === undefined || !ids.has(id) : id === parent;
      })
      .toSorted((one, other) => one.startTime[0] - other.startTime[0] || one.startTime[1] - other.startTime[1])
      .map((each) => [each.name, ...(under(each.spanContext().spanId) as object[])]);
  return under(undefined);
}

/** Runs inside a span of this name, as a handler of a request would. */
export function inSpan<T>(name: string, run: () => Promise<T>): Promise<T> {
  return trace.getTracer("test").startActiveSpan(name, async (active) => {
    try {
      return await run();
    } finally {
      active.end();
    }
  });
}
