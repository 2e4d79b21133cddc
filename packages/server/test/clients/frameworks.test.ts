import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { connectModern, type ModernClient } from "./support/modern.ts";
import { messagesOf, next } from "./support/subscription.ts";

vi.stubEnv("TASKS_DB", ":memory:");
const { close } = await import("../../examples/studio.ts");
afterAll(close);

const frameworks: readonly { name: string; start: () => Promise<Server> }[] = [
  {
    name: "fetch",
    start: async () => {
      const { default: app } = await import("../../examples/fetch.ts");
      return createServer().on("request", toNodeHandler(app)).listen(0, "127.0.0.1");
    },
  },
  {
    name: "node:http",
    start: async () => (await import("../../examples/node-http.ts")).http.listen(0, "127.0.0.1"),
  },
  {
    name: "Express",
    start: async () => (await import("../../examples/express.ts")).app.listen(0, "127.0.0.1"),
  },
  {
    name: "Fastify",
    start: async () => {
      const { app } = await import("../../examples/fastify.ts");
      await app.ready();
      return app.server.listen(0, "127.0.0.1");
    },
  },
  {
    name: "Hono",
    start: async () => {
      const { app } = await import("../../examples/hono.ts");
      return serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }) as Server;
    },
  },
];

describe.each(frameworks)("The example for $name", ({ start }) => {
  let server: Server;
  let url: string;
  let ada: ModernClient;

  beforeEach(async () => {
    server = await start();
    if (!server.listening) await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
    ada = await connectModern(url, { user: "ada" });
  });
  afterEach(async () => {
    await ada[Symbol.asyncDispose]();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test("makes a task, reports its progress, and gives its result only to its owner", async () => {
    const call = await ada.request("tools/call", { name: "render", arguments: { frames: 3 } });
    expect(call).toMatchObject({ result: { resultType: "task", status: "working", ttlMs: 3_600_000 } });
    const { taskId } = (call as unknown as { result: { taskId: string } }).result;

    const messages = messagesOf(await ada.listen([taskId]));
    expect(await next(messages, ({ method }) => method !== undefined)).toMatchObject({
      method: "notifications/subscriptions/acknowledged",
      params: { notifications: { taskIds: [taskId] } },
    });
    const status = (wanted: string) =>
      next(messages, ({ method, params }) => method === "notifications/tasks" && params?.["status"] === wanted);
    const { params } = await status("input_required");
    const [key] = Object.keys(params?.["inputRequests"] as object);

    const eve = await connectModern(url, { user: "eve" });
    expect(await eve.request("tasks/get", { taskId })).toMatchObject({ error: { code: -32_602 } });
    await eve[Symbol.asyncDispose]();

    const inputResponses = { [key as string]: { action: "accept", content: {} } };
    expect(await ada.request("tasks/update", { taskId, inputResponses })).toMatchObject({ kind: "result" });
    const result = { structuredContent: { rendered: 3 } };
    expect(await status("completed")).toMatchObject({ params: { taskId, result } });
    expect(await ada.request("tasks/get", { taskId })).toMatchObject({ result: { status: "completed", result } });
  });

  test("serves the official client", async () => {
    const execution = await ada.session.callTool("render", { frames: 2 });
    const { outcome } = await execution.settle();
    expect(outcome).toMatchObject({ status: "completed", result: { structuredContent: { rendered: 2 } } });
    expect(ada.asked).toEqual(["task-update: Render 2 frames?"]);
  });

  test("refuses callers without a token, and other origins", async () => {
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" });
    expect((await fetch(url, { method: "POST", headers, body })).status).toBe(401);
    const elsewhere = { ...headers, authorization: "Bearer ada", origin: "https://example.com" };
    expect((await fetch(url, { method: "POST", headers: elsewhere, body })).status).toBe(403);
  });
});
