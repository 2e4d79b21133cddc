import { subscribe, tracingChannel, unsubscribe } from "node:diagnostics_channel";
import { ANY_OWNER, type LostMessage, runTask, type TracedOperation, type TraceMessage } from "@mcp-task-store/memory";
import { describe, expect, onTestFinished, test } from "vitest";
import { useHandles } from "./fixtures/handles.ts";
import { stores } from "./fixtures/stores.ts";

// What a store publishes through node:diagnostics_channel. Other stores of the process publish,
// too, so each test looks at its own tasks.

const OPERATIONS: readonly TracedOperation[] = [
  "create",
  "claim",
  "run",
  "write",
  "wait",
  "ask",
  "answer",
  "lease",
  "sweep",
];

interface Seen {
  readonly event: "start" | "asyncEnd" | "error";
  readonly message: TraceMessage;
}

function record(on: (seen: Seen) => void = () => undefined): Seen[] {
  const seen: Seen[] = [];
  for (const operation of OPERATIONS) {
    const channel = tracingChannel<object, TraceMessage>(`mcp-task-store.${operation}`);
    const listener = (event: Seen["event"]) => (message: unknown) => {
      const each = { event, message: message as TraceMessage };
      seen.push(each);
      on(each);
    };
    const subscribers = {
      start: listener("start"),
      asyncEnd: listener("asyncEnd"),
      error: listener("error"),
    };
    channel.subscribe(subscribers as never);
    onTestFinished(() => void channel.unsubscribe(subscribers as never));
  }
  return seen;
}

describe.each(stores)("over $name", (kind) => {
  const handles = useHandles(kind);

  test("a task's life is published, call by call", async () => {
    const { store } = handles;
    const seen = record();
    const { taskId } = await store.createTask({ name: "grind", claimAfterMs: 0, ttl: 60_000 });
    const [claimed] = await store.claimTasks({ names: ["grind"], limit: 1 });
    const lease = claimed?.lease;
    if (!lease) throw new Error("Nothing was claimed");
    const outcome = await runTask(
      store,
      taskId,
      async (task) => {
        await task.progress("half");
        return { content: [] };
      },
      { lease },
    );
    expect(outcome.stored).toBe(true);
    await store.waitForTask(taskId);
    await store.deleteExpired();
    const ended = seen.filter(({ event }) => event === "asyncEnd").map(({ message }) => message);
    expect(ended.map(({ operation, method }) => `${operation} ${method}`)).toEqual(
      expect.arrayContaining([
        "create createTask",
        "claim claimTasks",
        "run run",
        "write updateTask",
        "write finishTask",
        "wait waitForTask",
        "sweep deleteExpired",
      ]),
    );
    expect(ended.filter(({ method }) => method === "createTask")).toHaveLength(1);
    const [created, run] = ["create", "run"].map((operation) => ended.find((each) => each.operation === operation));
    expect(created).toMatchObject({ name: "grind", result: { taskId } });
    expect(run).toMatchObject({ taskId, name: "grind", attempt: 1, request: { method: "tools/call" } });
    const starts = seen.filter(({ event }) => event === "start").length;
    expect(ended.length).toBeLessThanOrEqual(starts);
  });

  test("a subscriber may put its context into the request, and the run sees it", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    record(({ event, message }) => {
      if (event !== "start" || message.operation !== "create" || !message.request) return;
      const { request } = message;
      message.request = { ...request, params: { ...request.params, _meta: { ...request.params?._meta, traceparent } } };
    });
    const { taskId } = await handles.store.createTask({ name: "grind" });
    const stored = await handles.store.getRecord(taskId, { owner: ANY_OWNER });
    expect(stored?.request).toEqual({ method: "tools/call", params: { name: "grind", _meta: { traceparent } } });
  });

  test("a subscriber may run an operation inside its own context, and sees its error", async () => {
    const inside: string[] = [];
    const seen = record(({ event, message }) => {
      if (event === "start")
        message.within = (run) => {
          inside.push(message.method);
          return run();
        };
    });
    await expect(handles.store.cancelTask("no such task")).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
    expect(inside).toContain("cancelTask");
    const failed = seen.find(({ event, message }) => event === "error" && message.method === "cancelTask");
    expect(failed?.message).toMatchObject({ taskId: "no such task", error: { code: "TASK_NOT_FOUND" } });
  });

  test("a lost lease is published", async () => {
    const { store } = handles;
    const lost: LostMessage[] = [];
    const listener = (message: unknown) => void lost.push(message as LostMessage);
    subscribe("mcp-task-store.lost", listener);
    onTestFinished(() => void unsubscribe("mcp-task-store.lost", listener));
    const { taskId } = await store.createTask({ name: "grind", ttl: 60_000 });
    const outcome = await runTask(store, taskId, async (task) => {
      await store.operations.requeueTask(taskId);
      await task.progress("late");
      return {};
    });
    expect(outcome.stored).toBe(false);
    expect(lost.filter((each) => each.taskId === taskId)).toEqual([
      expect.objectContaining({ name: "grind", attempt: 1, error: expect.objectContaining({ code: "LEASE_LOST" }) }),
    ]);
  });
});
