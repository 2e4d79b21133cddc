/**
 * A server with the same tool twice: as a task and without. At `/waits`, `tasks/get` waits for a
 * change. It takes the store's address and prints its URL.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { TasksExtension } from "@mcp-task-store/server";
import { type NodeIncomingMessageLike, toNodeHandler } from "@modelcontextprotocol/node";
import { type CallToolResult, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { RESULT } from "../lives.ts";
import { type Address, openStore } from "../places.ts";

await using cleanUp = new AsyncDisposableStack();
const store = openStore(JSON.parse(process.argv[2] ?? "") as Address, cleanUp, {
  limits: { ttl: { default: 600_000 } },
});
const inputSchema = z.object({ document: z.string() });
const render = async () => RESULT as CallToolResult;

function handlerOf(tasks: TasksExtension) {
  const handler = tasks.createMcpHandler(() => {
    const server = new McpServer({ name: "bench", version: "1.0.0" });
    tasks.attach(server);
    tasks.registerTool(server, "render", { inputSchema, task: "required" }, render);
    server.registerTool("render-at-once", { inputSchema }, render);
    return server;
  });
  cleanUp.defer(() => tasks.close());
  cleanUp.defer(() => handler.close());
  return toNodeHandler(handler);
}

const atOnce = handlerOf(new TasksExtension({ store }));
const waits = handlerOf(new TasksExtension({ store, getWaitMs: 1000 }));
const http = createServer((request, response) => {
  void (request.url === "/waits" ? waits : atOnce)(request as NodeIncomingMessageLike, response);
});
await once(http.listen(0, "127.0.0.1"), "listening");
cleanUp.defer(() => {
  http.close();
  http.closeAllConnections();
});
process.send?.(`http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`);
await once(process, "disconnect");
