import { subscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { instrumentTaskStores } from "@mcp-task-store/otel";
import { startWorker, type TaskContext } from "@mcp-task-store/sqlite";
import { trace } from "@opentelemetry/api";
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";
import { openStore } from "../../../../tooling/test/fixtures/durable-stores.ts";

// node process.ts <address> <make | die | run>: a process that makes a task, one that is killed
// while it runs it, or one that runs it to its end. Prints its spans, or the span that is cut off.

const [address = "", role = ""] = process.argv.slice(2);
const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
instrumentTaskStores();
const store = openStore(JSON.parse(address), { claimAfterMs: 0 });

async function grind(task: TaskContext) {
  await task.progress("half");
  return { content: [] };
}

/** Dies as soon as the store knows the run's span. */
function grindAndDie(): Promise<never> {
  const { spanId } = trace.getActiveSpan()?.spanContext() ?? {};
  subscribe("tracing:mcp-task-store.lease:asyncEnd", () =>
    process.stdout.write(`${JSON.stringify(spanId)}\n`, () => process.kill(process.pid, "SIGKILL")),
  );
  return new Promise(() => undefined);
}

if (role === "make") {
  await trace.getTracer("server").startActiveSpan("tools/call grind", async (span) => {
    await store.createTask({ name: "grind", ttl: 60_000 });
    span.end();
  });
} else {
  const ran = new EventTarget();
  const handler = role === "die" ? grindAndDie : grind;
  const options = { leaseMs: 500, claimPollMs: 50, onRun: () => ran.dispatchEvent(new Event("run")) };
  const worker = startWorker(store, { grind: handler }, options);
  await once(ran, "run");
  await worker.stop();
}
await store.close();
const spans = exporter.getFinishedSpans().map((span) => ({
  name: span.name,
  startTime: span.startTime,
  context: span.spanContext(),
  parentSpanContext: span.parentSpanContext,
  links: span.links,
}));
console.log(JSON.stringify(spans));
