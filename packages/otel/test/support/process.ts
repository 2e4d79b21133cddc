import { once } from "node:events";
import { instrumentTaskStores } from "@mcp-task-store/otel";
import { SqliteTaskStore, startWorker } from "@mcp-task-store/sqlite";
import { trace } from "@opentelemetry/api";
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";

// node process.ts <path> <make | run>: a process that makes a task, or one that runs it. Prints its
// spans.

const [path = "", role = ""] = process.argv.slice(2);
const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
instrumentTaskStores();
const store = new SqliteTaskStore({ path, claimAfterMs: 0 });

if (role === "make") {
  await trace.getTracer("server").startActiveSpan("tools/call grind", async (span) => {
    await store.createTask({ name: "grind", ttl: 60_000 });
    span.end();
  });
} else {
  const ran = new EventTarget();
  const worker = startWorker(
    store,
    {
      async grind(task) {
        await task.progress("half");
        return { content: [] };
      },
    },
    { onRun: () => ran.dispatchEvent(new Event("run")) },
  );
  await once(ran, "run");
  await worker.stop();
}
await store.close();
const spans = exporter.getFinishedSpans().map((span) => ({
  name: span.name,
  startTime: span.startTime,
  context: span.spanContext(),
  parentSpanContext: span.parentSpanContext,
}));
console.log(JSON.stringify(spans));
