import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ANY_OWNER, runTask, startWorker, TaskStoreError } from "@mcp-task-store/core";
import { type DraftTaskStore, sdkTaskStore } from "@mcp-task-store/server/sdk";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer, ProtocolError, type ServerContext } from "@modelcontextprotocol/server";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { connectModern } from "../../packages/server/test/clients/support/modern.ts";
import { rejection } from "./fixtures/events.ts";
import { useHandles } from "./fixtures/handles.ts";
import { MemoryTaskStore, stores, withMethods } from "./fixtures/stores.ts";

// The draft of the SDK's own tasks extension is not published, so these tests call the store as the
// draft does, and serve it by handlers of their own.

const text = (said: string) => ({ content: [{ type: "text" as const, text: said }] });
const requestedSchema = {
  type: "object" as const,
  properties: { year: { type: "integer" as const } },
  required: ["year"],
};
const form = { mode: "form" as const, message: "Which year?", requestedSchema };
const ada = { principal: "ada" };

describe.each(stores)("sdkTaskStore over $name", (kind) => {
  const handles = useHandles(kind);
  /** The draft's store in another process. */
  const other = () => sdkTaskStore(handles.other);

  test("create resolves when another process can get the task", async () => {
    const task = await sdkTaskStore(handles.store).create({ ttlMs: 60_000, pollIntervalMs: 250, ...ada });
    expect(task).toEqual({
      taskId: expect.any(String),
      status: "working",
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      lastUpdatedAt: task.createdAt,
      ttlMs: 60_000,
      pollIntervalMs: 250,
    });
    expect(await other().get(task.taskId, ada)).toEqual(task);
    const forever = await sdkTaskStore(handles.store).create({ ttlMs: null });
    expect(await other().get(forever.taskId)).toMatchObject({ ttlMs: null });
  });

  test("a task is found by its own principal alone, and an unknown or expired one by no caller", async () => {
    const mine = await other().create({ ttlMs: 60_000, ...ada });
    const anonymous = await other().create({ ttlMs: 60_000 });
    const drafted = sdkTaskStore(handles.store);
    for (const [taskId, access] of [
      [mine.taskId, { principal: "eve" }],
      [mine.taskId, {}],
      [mine.taskId, undefined],
      [anonymous.taskId, ada],
      ["unknown", ada],
    ] as const) {
      expect(await drafted.get(taskId, access)).toBeUndefined();
      expect(await drafted.update(taskId, {}, access)).toBe(false);
      expect(await drafted.cancel(taskId, access)).toBe(false);
    }
    expect(await drafted.get(mine.taskId, ada)).toMatchObject({ status: "working" });
    expect(await drafted.get(anonymous.taskId, { principal: undefined })).toMatchObject({ status: "working" });
    await handles.place.skip(60_001);
    expect(await drafted.get(mine.taskId, ada)).toBeUndefined();
    expect(await drafted.update(mine.taskId, {}, ada)).toBe(false);
    expect(await drafted.cancel(mine.taskId, ada)).toBe(false);
  });

  test("each way that a task can end is shown as the protocol says", async () => {
    const drafted = other();
    const end = async (work: () => object) => {
      const { taskId } = await drafted.create({ ttlMs: null, ...ada });
      await runTask(handles.store, taskId, work as never);
      return drafted.get(taskId, ada);
    };
    const isError = { ...text("No paper"), isError: true };
    expect(await end(() => text("done"))).toMatchObject({ status: "completed", result: text("done") });
    // The store's status is `failed`, and the protocol has no failure with a result.
    expect(await end(() => isError)).toMatchObject({ status: "completed", result: isError });
    const failed = await end(() => {
      throw Object.assign(new ProtocolError(-32_001, "Out of order"), { data: { part: "lamp" } });
    });
    expect(failed).toMatchObject({ status: "failed", error: { code: -32_001, message: "Out of order" } });
    expect(failed).not.toHaveProperty("result");
    const { taskId } = await drafted.create({ ttlMs: null, ...ada });
    expect(await drafted.cancel(taskId, ada)).toBe(true);
    expect(await sdkTaskStore(handles.store).cancel(taskId, ada)).toBe(true);
    expect(await drafted.get(taskId, ada)).toMatchObject({ status: "cancelled" });
    expect(await drafted.update(taskId, { year: {} }, ada)).toBe(true);
  });

  test("cancel aborts the run in another process, and update answers its question", async () => {
    const drafted = other();
    const { taskId } = await drafted.create({ ttlMs: null, ...ada });
    const asked = Promise.withResolvers<void>();
    const run = runTask(handles.store, taskId, async (task) => {
      const answer = task.elicit(form);
      await task.progress("asked");
      asked.resolve();
      const { content } = await answer;
      return text(`${content?.year}`);
    });
    await asked.promise;
    await handles.other.waitForTask(taskId, { until: ["input_required"], owner: ANY_OWNER });
    const shown = await drafted.get(taskId, ada);
    if (shown?.status !== "input_required") throw new Error("The task asks nothing");
    const [key = ""] = Object.keys(shown.inputRequests);
    expect(shown.inputRequests[key]).toMatchObject({ method: "elicitation/create", params: form });
    const wrong = { [key]: { action: "accept", content: { year: "this one" } } };
    expect(await rejection(drafted.update(taskId, wrong, ada))).toMatchObject({ code: -32_602 });
    expect(await drafted.get(taskId, ada)).toMatchObject({ status: "input_required" });
    const right = { [key]: { action: "accept", content: { year: 1999 } }, unknown: { action: "cancel" } };
    expect(await drafted.update(taskId, right, ada)).toBe(true);
    expect(await run).toMatchObject({ result: text("1999") });

    const { taskId: longer } = await drafted.create({ ttlMs: null, ...ada });
    const stopped = runTask(handles.store, longer, async ({ signal }) => {
      const aborted = once(signal, "abort");
      expect(await drafted.cancel(longer, ada)).toBe(true);
      await aborted;
      return text("too late");
    });
    expect(await stopped).toMatchObject({ stored: false });
  });

  test("a task of a named tool is run by a worker, and served to the official client", async () => {
    const drafted = sdkTaskStore(handles.store, { claimAfterMs: 0 });
    await using served = await serveDraft(drafted);
    await using _worker = startWorker(handles.other, {
      async report({ request, elicit }) {
        const { content } = await elicit(form);
        return text(`${JSON.stringify(request.params?.["arguments"])} ${content?.year}`);
      },
    });
    await using client = await connectModern(served.url, { name: "unused" });
    const call = await client.request("tools/call", { name: "report", arguments: { to: "Ada" } });
    const { taskId } = (call as unknown as { result: { taskId: string } }).result;
    await handles.store.waitForTask(taskId, { until: ["input_required"], owner: ANY_OWNER });
    const asking = (await client.request("tasks/get", { taskId })) as unknown as {
      result: { inputRequests: Record<string, unknown> };
    };
    const [key = ""] = Object.keys(asking.result.inputRequests);
    const inputResponses = { [key]: { action: "accept", content: { year: 2001 } } };
    expect(await client.request("tasks/update", { taskId, inputResponses })).toMatchObject({ kind: "result" });
    await handles.store.waitForResult(taskId, { owner: ANY_OWNER });
    const execution = await client.session.callTool("report", { to: "Eve" });
    if (execution.kind !== "task") throw new Error("The call was answered at once");
    await execution.cancel();
    expect(await client.request("tasks/get", { taskId })).toMatchObject({
      result: { status: "completed", result: text('{"to":"Ada"} 2001') },
    });
  });
});

test("what cannot be stored, and a store that fails, are errors of JSON-RPC", async () => {
  await using store = new MemoryTaskStore({ sweepIntervalMs: false, limits: { payloadBytes: 100 } });
  const drafted = sdkTaskStore(store);
  const large = { context: { text: "x".repeat(200) } };
  for (const params of [{ ttlMs: -1 }, { ttlMs: 1, ...large }, { ttlMs: 1, pollIntervalMs: -1 }]) {
    const error = await rejection(drafted.create(params));
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error).toMatchObject({ code: -32_602 });
  }
  const away = () => Promise.reject(new TaskStoreError("BACKEND_UNAVAILABLE", "10.0.0.1 is away"));
  const lost = sdkTaskStore(withMethods(store, { getRecord: away, cancelTask: away, createTask: away }));
  for (const call of [lost.get("a"), lost.update("a", {}), lost.cancel("a"), lost.create({ ttlMs: 1 })]) {
    const error = await rejection(call);
    expect(error).toMatchObject({ code: -32_603, data: { code: "BACKEND_UNAVAILABLE" } });
    expect((error as Error).message).not.toContain("10.0.0.1");
  }
  expect(await rejection(drafted.get("a", { principal: "(anonymous)" }))).toMatchObject({ code: -32_603 });
  expect(() => sdkTaskStore(store, { claimAfter: 0 } as object)).toThrow(/claimAfterMs/);
});

/** A server whose tool and methods use the store as the draft's extension does. */
async function serveDraft(drafted: DraftTaskStore) {
  const principal = (ctx: ServerContext) => ctx.http?.authInfo?.clientId;
  const found = <Value>(value: Value | undefined | false): Value => {
    if (value === undefined || value === false) throw new ProtocolError(-32_602, "Task not found");
    return value;
  };
  const params = z.object({ taskId: z.string() });
  const handler = createMcpHandler(() => {
    const mcp = new McpServer({ name: "draft", version: "1.0.0" });
    mcp.server.registerCapabilities({ extensions: { "io.modelcontextprotocol/tasks": {} } });
    mcp.registerTool("report", { inputSchema: z.object({ to: z.string() }) }, async (args, ctx) => {
      const context = { name: "report", arguments: args };
      const task = await drafted.create({ ttlMs: 60_000, ...withPrincipal(principal(ctx)), context });
      return { resultType: "task", ...task, content: [] };
    });
    mcp.server.setRequestHandler("tasks/get", { params }, async ({ taskId }, ctx) => ({
      resultType: "complete",
      ...found(await drafted.get(taskId, { principal: principal(ctx) })),
    }));
    mcp.server.setRequestHandler("tasks/update", { params }, async ({ taskId }, ctx) => {
      found(await drafted.update(taskId, ctx.mcpReq.inputResponses ?? {}, { principal: principal(ctx) }));
      return { resultType: "complete" };
    });
    mcp.server.setRequestHandler("tasks/cancel", { params }, async ({ taskId }, ctx) => {
      found(await drafted.cancel(taskId, { principal: principal(ctx) }));
      return { resultType: "complete" };
    });
    return mcp;
  });
  const http = createServer().on("request", toNodeHandler(handler)).listen(0, "127.0.0.1");
  await once(http, "listening");
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    async [Symbol.asyncDispose]() {
      await handler.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

function withPrincipal(principal: string | undefined) {
  return principal === undefined ? {} : { principal };
}
