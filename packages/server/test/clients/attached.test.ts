import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type FetchLikeMcpHandler, toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { connectModern, type ModernClient } from "./support/modern.ts";

// Frameworks that serve the tasks by a handler of their own. They hand out the server, and the
// extension is attached to it. Such a handler sends no notifications of tasks, so clients poll.

vi.stubEnv("TASKS_DB", ":memory:");
const { close, register, tasks } = await import("../../examples/studio.ts");
afterAll(close);

const frameworks: readonly { name: string; load: () => Promise<FetchLikeMcpHandler> }[] = [
  {
    name: "mcp-handler",
    load: async () => ({ fetch: (await import("../../examples/mcp-handler.ts")).handler }),
  },
  {
    name: "Cloudflare's Agents SDK",
    load: async () => (await import("../../examples/cloudflare.ts")).default,
  },
];

describe.each(frameworks)("The example for $name", ({ load }) => {
  let server: Server;
  let url: string;
  let ada: ModernClient;

  beforeEach(async () => {
    server = createServer()
      .on("request", toNodeHandler(await load()))
      .listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
    ada = await connectModern(url, { user: "ada" });
  });
  afterEach(async () => {
    await ada[Symbol.asyncDispose]();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test("makes a task, asks its question, and gives its result only to its owner", async () => {
    const execution = await ada.session.callTool("render", { frames: 2 });
    expect(execution.kind).toBe("task");
    const { outcome } = await execution.settle();
    expect(outcome).toMatchObject({ status: "completed", result: { structuredContent: { rendered: 2 } } });
    expect(ada.asked).toEqual(["task-update: Render 2 frames?"]);

    const { taskId } = (execution as Extract<typeof execution, { kind: "task" }>).serializeReference();
    await using eve = await connectModern(url, { user: "eve" });
    expect(await eve.request("tasks/get", { taskId })).toMatchObject({ error: { code: -32_602 } });
    expect(await ada.request("tasks/get", { taskId })).toMatchObject({ result: { status: "completed" } });
  });

  test("cancels a task", async () => {
    const call = await ada.request("tools/call", { name: "render", arguments: { frames: 3 } });
    const { taskId } = (call as unknown as { result: { taskId: string } }).result;
    expect(await ada.request("tasks/cancel", { taskId })).toMatchObject({ kind: "result" });
    expect(await ada.request("tasks/get", { taskId })).toMatchObject({ result: { status: "cancelled" } });
  });

  test("refuses callers without a token", async () => {
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" });
    expect((await fetch(url, { method: "POST", headers, body })).status).toBe(401);
  });
});

describe("A server that a framework made", () => {
  const info = { name: "made", version: "1.0.0" };

  test("with capabilities.tools makes tasks of calls", async () => {
    const made = () => {
      const server = new McpServer(info, { capabilities: { tools: { listChanged: false }, logging: {} } });
      register(server);
      return server;
    };
    const server = createServer().on("request", toNodeHandler(createMcpHandler(made)));
    await once(server.listen(0, "127.0.0.1"), "listening");
    await using client = await connectModern(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
    expect((await client.client.listTools()).tools.map(({ name }) => name)).toEqual(["render"]);
    const execution = await client.session.callTool("render", { frames: 2 });
    expect(execution.kind).toBe("task");
    expect((await execution.settle()).outcome).toMatchObject({ status: "completed" });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test("that has a tool, or a handler of its own for tools/call, is refused", () => {
    const refusal = "Attach the tasks extension before the server's first tool is registered";
    for (const options of [{}, { capabilities: { tools: {} } }]) {
      const server = new McpServer(info, options);
      server.registerTool("ping", {}, async () => ({ content: [] }));
      expect(() => tasks.attach(server)).toThrow(refusal);
    }
    const own = new McpServer(info);
    own.server.registerCapabilities({ tools: {} });
    own.server.setRequestHandler("tools/call", async () => ({ content: [] }));
    expect(() => tasks.attach(own)).toThrow(refusal);
  });
});
