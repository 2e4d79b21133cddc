import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { TasksExtension } from "@mcp-task-store/server";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { McpServer, ProtocolError } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { callAsTask, connectHttp, resultOf } from "./support/legacy.ts";
import { connectModern } from "./support/modern.ts";
import { inMemory } from "./support/places.ts";
import { listen, sessionInstance, statelessInstance } from "./support/servers.ts";

// Errors of tools that cannot begin, and errors of the client itself.

describe("Before a task exists", () => {
  let cleanUp: AsyncDisposableStack;
  let store: TaskStore;
  let url: string;

  beforeEach(async () => {
    cleanUp = new AsyncDisposableStack();
    store = cleanUp.use(await inMemory()).open();
    const tasks = cleanUp.use(new TasksExtension({ store }));
    const fail = (error: Error) => () => {
      throw error;
    };
    const handler = tasks.createMcpHandler(() => {
      const server = new McpServer({ name: "errors-test", version: "1.0.0" });
      const done = () => ({ content: [] });
      tasks.registerTool(server, "prepare", { prepare: fail(new Error("Not today")) }, done);
      tasks.registerTool(server, "decide", { task: fail(new Error("Not today")) }, done);
      tasks.registerTool(server, "protocol", { prepare: fail(new ProtocolError(-32_050, "Not today")) }, done);
      return server;
    });
    cleanUp.defer(() => handler.close());
    ({ url } = cleanUp.use(await listen(handler)));
  });
  afterEach(() => cleanUp.disposeAsync());

  const result = { content: [{ type: "text", text: "Not today" }], isError: true };
  const stored = async () => (await store.listTasks(undefined, { owner: ANY_OWNER })).tasks;

  test.each(["prepare", "decide"])("an exception in `%s` is a tool error", async (name) => {
    const modern = cleanUp.use(await connectModern(url));
    expect(await modern.request("tools/call", { name, arguments: {} })).toMatchObject({ result });
    const legacy = cleanUp.use(await connectHttp(url));
    expect(await legacy.client.callTool({ name })).toMatchObject(result);
    await expect(callAsTask(legacy, name)).rejects.toThrow("Not today");
    expect(await stored()).toEqual([]);
  });

  test("a ProtocolError becomes the JSON-RPC error of the call", async () => {
    const modern = cleanUp.use(await connectModern(url));
    const error = { code: -32_050, message: "Not today" };
    expect(await modern.request("tools/call", { name: "protocol", arguments: {} })).toMatchObject({ error });
    const legacy = cleanUp.use(await connectHttp(url));
    await expect(callAsTask(legacy, "protocol")).rejects.toMatchObject({ code: -32_050 });
    expect(await stored()).toEqual([]);
  });
});

describe("A client of 2025-11-25", () => {
  let cleanUp: AsyncDisposableStack;
  let store: TaskStore;

  beforeEach(async () => {
    cleanUp = new AsyncDisposableStack();
    store = cleanUp.use(await inMemory()).open();
  });
  afterEach(() => cleanUp.disposeAsync());

  test("is asked before the task exists, in a session", async () => {
    const { url } = cleanUp.use(await listen(cleanUp.use(sessionInstance(store))));
    const client = cleanUp.use(await connectHttp(url));
    const { taskId } = (await callAsTask(client, "ask_before")).task;
    expect(client.asked).toEqual([{ method: "elicitation/create", taskId: undefined }]);
    expect(await resultOf(client, taskId)).toMatchObject({ content: [{ text: "Hello, Ada!" }] });
  });

  test("gets an error without a session, since it cannot be asked", async () => {
    const { url } = cleanUp.use(await listen(cleanUp.use(statelessInstance(store))));
    const client = cleanUp.use(await connectHttp(url));
    await expect(callAsTask(client, "ask_before")).rejects.toMatchObject({
      code: -32_600,
      message: expect.stringContaining("connect with a session"),
    });
  });

  test("fails a question with an answer that does not fit requestedSchema, and the error says where", async () => {
    const { url } = cleanUp.use(await listen(cleanUp.use(sessionInstance(store))));
    const client = cleanUp.use(await connectHttp(url));
    client.client.removeRequestHandler("elicitation/create");
    client.client.fallbackRequestHandler = async () => ({ action: "accept", content: { name: 7 } });
    const { taskId } = (await callAsTask(client, "ask_name")).task;
    await expect(resultOf(client, taskId)).rejects.toMatchObject({
      code: -32_602,
      message: expect.stringContaining("content/name must be string"),
    });
  });

  test("fails a question with an answer of the wrong shape", async () => {
    const { url } = cleanUp.use(await listen(cleanUp.use(sessionInstance(store))));
    const client = cleanUp.use(await connectHttp(url));
    // This bypasses the SDK's check of a handler's return value.
    client.client.removeRequestHandler("elicitation/create");
    client.client.fallbackRequestHandler = async () => ({ action: "perhaps" });
    const { taskId } = (await callAsTask(client, "ask_name")).task;
    await expect(resultOf(client, taskId)).rejects.toMatchObject({
      code: -32_602,
      message: expect.stringContaining("not an answer to elicitation/create"),
    });
  });

  test("gets a plain result when it calls a tool without a task", async () => {
    const { url } = cleanUp.use(await listen(cleanUp.use(statelessInstance(store))));
    const client = cleanUp.use(await connectHttp(url));
    const params = { name: "quick", arguments: { how: "answer" } };
    const result = await client.client.request({ method: "tools/call", params }, CallToolResultSchema);
    expect(result).toEqual({ content: [{ type: "text", text: "at once" }] });
  });
});
