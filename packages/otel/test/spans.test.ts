import { subscribe, tracingChannel, unsubscribe } from "node:diagnostics_channel";
import {
  JsonRpcError,
  MemoryTaskStore,
  type MemoryTaskStoreOptions,
  runTask,
  startWorker,
} from "@mcp-task-store/memory";
import { type InstrumentOptions, instrumentTaskStores } from "@mcp-task-store/otel";
import { trace } from "@opentelemetry/api";
import { describe, expect, onTestFinished, test } from "vitest";
import { inSpan, instrumented, span, spans, tree } from "./support/telemetry.ts";

function stored(options: MemoryTaskStoreOptions = {}): MemoryTaskStore {
  const store = new MemoryTaskStore(options);
  onTestFinished(() => store.close());
  return store;
}

const CLIENT = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" };
const traceparent = `00-${CLIENT.traceId}-${CLIENT.spanId}-01`;
const done = async () => ({ content: [] });

describe("a task", () => {
  test("has a span where it is made, and under it one where it runs", async () => {
    const store = stored();
    instrumented();
    const { taskId } = await inSpan("tools/call grind", () => store.createTask({ name: "grind" }));
    await runTask(store, taskId, async (task) => {
      await inSpan("work", async () => undefined);
      await task.progress("half");
      return { content: [] };
    });
    expect(tree(spans())).toEqual([
      ["tools/call grind", ["send grind", ["process grind", ["work"], ["updateTask grind"], ["finishTask grind"]]]],
    ]);
    const shared = {
      "messaging.system": "mcp_task_store",
      "messaging.destination.name": "grind",
      "messaging.message.id": taskId,
    };
    expect(span("send grind")).toMatchObject({
      kind: 3,
      attributes: { ...shared, "messaging.operation.name": "send", "messaging.operation.type": "send" },
    });
    expect(span("process grind")).toMatchObject({
      kind: 4,
      status: { code: 0 },
      attributes: {
        ...shared,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "mcp_task_store.attempt": 1,
        "mcp_task_store.task.status": "completed",
        "mcp_task_store.stored": true,
      },
    });
    expect(span("finishTask grind")).toMatchObject({
      kind: 2,
      attributes: { ...shared, "messaging.operation.name": "finishTask", "messaging.operation.type": "settle" },
    });
  });

  test("carries the context in its request, and the caller's own request stays as it was", async () => {
    const store = stored();
    instrumented();
    const request = { method: "tools/call", params: { name: "grind", _meta: { progressToken: 7 } } };
    const { taskId } = await store.createTask({}, 1, request);
    const { traceId, spanId } = span("send grind").spanContext();
    const record = await store.getRecord(taskId);
    expect(record?.request.params?._meta).toEqual({ progressToken: 7, traceparent: `00-${traceId}-${spanId}-01` });
    expect(request.params._meta).toEqual({ progressToken: 7 });
  });

  test("is under the client's span if no span is active", async () => {
    const store = stored();
    instrumented();
    const { taskId } = await store.createTask({}, 1, {
      method: "tools/call",
      params: { name: "grind", _meta: { traceparent } },
    });
    await runTask(store, taskId, done);
    expect(span("send grind").parentSpanContext).toMatchObject(CLIENT);
    expect(span("process grind").parentSpanContext?.spanId).toBe(span("send grind").spanContext().spanId);
    expect(new Set(spans().map((each) => each.spanContext().traceId))).toEqual(new Set([CLIENT.traceId]));
  });

  test("is under the active span, and has a link to the client's other trace", async () => {
    const store = stored();
    instrumented();
    const request = { method: "tools/call", params: { name: "grind", _meta: { traceparent } } };
    await inSpan("POST /mcp", () => store.createTask({}, 1, request));
    expect(tree(spans())).toEqual([["POST /mcp", ["send grind"]]]);
    expect(span("send grind").links).toMatchObject([{ context: CLIENT }]);
  });

  test("that is refused has the error's code, and its request keeps the client's context", async () => {
    const store = stored();
    instrumented();
    await store.createTask({ taskId: "1" }, 1, { method: "m" });
    await expect(store.createTask({ taskId: "1" }, 1, { method: "m" })).rejects.toMatchObject({ code: "TASK_EXISTS" });
    const [, refused] = spans();
    expect(refused).toMatchObject({ status: { code: 2 }, attributes: { "error.type": "TASK_EXISTS" } });
    await expect(store.createTask({}, 1, 7 as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("a run", () => {
  test.each([
    ["its handler throws", async () => Promise.reject(new RangeError("too far")), 2, "RangeError"],
    ["it throws a JSON-RPC error", async () => Promise.reject(new JsonRpcError(-32010, "sold out")), 2, "-32010"],
    ["its result is an error", async () => ({ content: [], isError: true }), 2, "tool_error"],
  ])("has failed if %s", async (_, handler, status, type) => {
    const store = stored();
    instrumented();
    const { taskId } = await store.createTask({ name: "grind" });
    await runTask(store, taskId, handler);
    expect(span("process grind")).toMatchObject({
      status: { code: status },
      attributes: { "error.type": type, "mcp_task_store.task.status": "failed" },
    });
  });

  test("that is cancelled has not failed", async () => {
    const store = stored();
    instrumented();
    const { taskId } = await store.createTask({ name: "grind" });
    await runTask(store, taskId, async () => {
      await store.cancelTask(taskId);
      return { content: [] };
    });
    const { status, attributes } = span("process grind");
    expect(status).toEqual({ code: 0 });
    expect(attributes).toMatchObject({ "mcp_task_store.task.status": "cancelled", "mcp_task_store.stored": false });
    expect(attributes).not.toHaveProperty("error.type");
  });

  test("tells of questions and answers, also if the answer comes from elsewhere", async () => {
    const store = stored();
    instrumented();
    const { taskId } = await store.createTask({ name: "grind" });
    const run = runTask(store, taskId, async (task) => {
      await task.elicit({ message: "Sure?", requestedSchema: { type: "object", properties: {} } });
      return { content: [] };
    });
    const { inputRequests } = await store.waitForTask(taskId, { until: ["input_required"], fields: ["inputRequests"] });
    const [key = ""] = Object.keys(inputRequests);
    await store.provideInputs(taskId, { [key]: { action: "accept" } });
    await run;
    expect(span("process grind").events.map(({ name }) => name)).toEqual(["task.question", "task.answer"]);
    expect(tree(spans())).toEqual([
      ["send grind", ["process grind", ["requestInputs grind"], ["awaitInput grind"], ["finishTask grind"]]],
    ]);
  });

  test("that takes over from one of this process says so, with a link, and the first one that its lease was lost", async () => {
    let time = Date.now();
    const store = stored({ clock: { now: () => time } });
    instrumented();
    const { taskId } = await store.createTask({ name: "grind" });
    const [begun, taken] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const late = runTask(store, taskId, async (task) => {
      begun.resolve();
      await taken.promise;
      expect(await task.progress("late")).toBe(false);
      return { content: [] };
    });
    await begun.promise;
    time += 60_000;
    await runTask(store, taskId, async () => {
      taken.resolve();
      await late;
      return { content: [] };
    });
    const [lost, next] = spans().filter(({ name }) => name === "process grind");
    expect(lost).toMatchObject({ status: { code: 2 }, attributes: { "error.type": "LEASE_LOST" } });
    expect(lost?.events.map(({ name }) => name)).toContain("task.lease_lost");
    expect(next).toMatchObject({
      parentSpanContext: lost?.parentSpanContext,
      attributes: { "mcp_task_store.attempt": 2 },
      events: [{ name: "task.taken_over" }],
      links: [{ context: lost?.spanContext() }],
    });
  });

  test("after one that lost its task has a link to it", async () => {
    const store = stored();
    instrumented();
    const { taskId } = await store.createTask({ name: "grind" });
    await runTask(store, taskId, async () => {
      await store.operations.requeueTask(taskId);
      return { content: [] };
    });
    await runTask(store, taskId, done);
    const [first, second] = spans().filter(({ name }) => name === "process grind");
    expect(second?.links).toMatchObject([{ context: first?.spanContext() }]);
  });
});

test("writes and waits have spans inside a trace, and none outside", async () => {
  const store = stored();
  const { taskId } = await store.createTask({ name: "grind" });
  instrumented();
  await store.updateTaskStatus(taskId, "working", "begun");
  await store.getTask(taskId);
  expect(spans()).toEqual([]);
  await inSpan("tasks/cancel", async () => {
    await store.getTask(taskId);
    await store.cancelTask(taskId);
    await store.waitForTask(taskId);
    await expect(store.cancelTask(taskId)).rejects.toMatchObject({ code: "TASK_TERMINAL" });
  });
  expect(tree(spans())).toEqual([["tasks/cancel", ["cancelTask"], ["waitForTask"], ["cancelTask"]]]);
  expect(spans()[2]).toMatchObject({ status: { code: 2 }, attributes: { "error.type": "TASK_TERMINAL" } });
});

test("a worker that finds nothing has no span, and a wait that is given up has not failed", async () => {
  const store = stored();
  instrumented();
  const claims = Promise.withResolvers<void>();
  let empty = 0;
  const listener = () => {
    empty += 1;
    if (empty === 3) claims.resolve();
  };
  subscribe("tracing:mcp-task-store.claim:asyncEnd", listener);
  onTestFinished(() => void unsubscribe("tracing:mcp-task-store.claim:asyncEnd", listener));
  const worker = startWorker(store, { grind: done }, { claimPollMs: 1 });
  await claims.promise;
  await worker.stop();
  expect(spans()).toEqual([]);
  const { taskId } = await store.createTask({ name: "grind" });
  const left = new AbortController();
  await inSpan("tasks/result", async () => {
    const wait = store.waitForTask(taskId, { signal: left.signal });
    left.abort();
    await expect(wait).rejects.toMatchObject({ name: "AbortError" });
  });
  expect(span("waitForTask").status.code).toBe(0);
});

describe("after a stop", () => {
  test("no subscriber is left, and nothing has a span", async () => {
    const store = stored();
    instrumented()();
    for (const operation of ["create", "run", "write", "wait", "ask", "answer", "claim", "lease", "sweep"])
      expect(tracingChannel(`mcp-task-store.${operation}`).hasSubscribers).toBe(false);
    await store.createTask({ name: "grind" });
    expect(spans()).toEqual([]);
  });

  test("a run that has begun ends its span", async () => {
    const store = stored();
    const stop = instrumented();
    const { taskId } = await store.createTask({ name: "grind" });
    await runTask(store, taskId, async () => {
      stop();
      return { content: [] };
    });
    expect(span("process grind").attributes).toMatchObject({ "mcp_task_store.task.status": "completed" });
  });
});

test("a subscriber that runs operations in its own context, and this one, both do", async () => {
  const store = stored();
  const ran: string[] = [];
  const listener = (message: unknown) => {
    (message as { within?: unknown }).within = (run: () => unknown) => {
      ran.push(trace.getActiveSpan() ? "in a span" : "in no span");
      return run();
    };
  };
  subscribe("tracing:mcp-task-store.create:start", listener);
  onTestFinished(() => void unsubscribe("tracing:mcp-task-store.create:start", listener));
  instrumented();
  await store.createTask({ name: "grind" });
  expect(ran).toEqual(["in no span"]);
  expect(spans().map(({ name }) => name)).toEqual(["send grind"]);
});

test.each<[string, object]>([
  ["an unknown option", { store: stored }],
  ["stores that are none", { stores: { main: {} } }],
  ["no store", { stores: {} }],
])("%s is refused", (_, options) => {
  expect(() => instrumentTaskStores(options as InstrumentOptions)).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT" }),
  );
});
