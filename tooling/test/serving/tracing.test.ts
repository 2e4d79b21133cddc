import { MemoryStorage, MemoryTaskStore, type TaskStore } from "@mcp-task-store/memory";
import { instrumentTaskStores } from "@mcp-task-store/otel";
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { instance, type Register, text } from "./support/instance.ts";
import { ABLE, envelope, type Peer } from "./support/rpc.ts";

// A client's trace goes through a server to the run of its task.

const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
const CLIENT = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" };

beforeEach(() => {
  exporter.reset();
  onTestFinished(instrumentTaskStores());
});

function served(register: Register): { peer: Peer; store: TaskStore } {
  const store = new MemoryTaskStore({ storage: new MemoryStorage() });
  const server = instance(store, register);
  onTestFinished(async () => {
    await server[Symbol.asyncDispose]();
    await store.close();
  });
  return { peer: server.peer(), store };
}

async function call(peer: Peer, name: string): Promise<string> {
  const _meta = { ...envelope(ABLE), traceparent: `00-${CLIENT.traceId}-${CLIENT.spanId}-01` };
  const { result } = await peer.ask("tools/call", { name, arguments: {}, _meta });
  return String(result?.["taskId"]);
}

const span = (name: string) => exporter.getFinishedSpans().find((each) => each.name === name);

test("the run of a task is in the trace of the client that called", async () => {
  const { peer, store } = served((tasks, mcp) => {
    tasks.registerTool(mcp, "grind", { task: "required" }, async () => text("ground"));
  });
  const taskId = await call(peer, "grind");
  await store.waitForTask(taskId);
  await expect.poll(() => span("process grind")).toBeDefined();
  expect(span("send grind")?.parentSpanContext).toMatchObject(CLIENT);
  expect(span("process grind")).toMatchObject({
    parentSpanContext: { spanId: span("send grind")?.spanContext().spanId },
    attributes: { "messaging.message.id": taskId },
  });
});

test("a call that began before it became a task has its questions on the run", async () => {
  const { peer, store } = served((tasks, mcp) => {
    tasks.registerTool(mcp, "grind", { answerWithinMs: 1 }, async (_, task) => {
      await task.elicit({ message: "Sure?", requestedSchema: { type: "object", properties: {} } });
      return text("ground");
    });
  });
  const taskId = await call(peer, "grind");
  const asked = await store.waitForTask(taskId, { until: ["input_required"], fields: ["inputRequests"] });
  const [key = ""] = Object.keys(asked.inputRequests);
  await store.provideInputs(taskId, { [key]: { action: "accept", content: {} } });
  await store.waitForTask(taskId);
  await expect.poll(() => span("process grind")).toBeDefined();
  expect(span("process grind")).toMatchObject({
    parentSpanContext: { spanId: span("send grind")?.spanContext().spanId, traceId: CLIENT.traceId },
    events: [{ name: "task.question" }, { name: "task.answer" }],
  });
});
