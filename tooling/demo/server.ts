/**
 * An MCP server whose tasks outlive it. The demo starts this file twice, each time as its own
 * process:
 *
 *     DEMO_TOKEN=secret DEMO_PLACE='{"address":"/path/of/tasks.db","name":""}' node server.ts
 *     sqlite
 *
 * Prints its address once it is ready.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { TasksExtension } from "@mcp-task-store/server";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { type AuthInfo, McpServer } from "@modelcontextprotocol/server";
import { registerHashDirectory } from "./hash-directory.ts";
import { storeNamed } from "./stores.ts";

const [name = ""] = process.argv.slice(2);
const token = process.env["DEMO_TOKEN"];
const place = JSON.parse(process.env["DEMO_PLACE"] ?? "");

const store = await storeNamed(name).open(place, { pollInterval: 100 });

// Most servers can leave out these options. By default a lease lasts 30 s, and a server claims lost
// tasks every second, which is too slow for the demo.
const leaseMs = Number(process.env["DEMO_LEASE_MS"] ?? 2000);
const tasks = new TasksExtension({ store, leaseMs, worker: { claimPollMs: 100 } });

// One factory for both protocols.
const handler = tasks.createMcpHandler(() => {
  const server = new McpServer({ name: "durable-demo", version: "1.0.0" });
  registerHashDirectory(tasks, server);
  return server;
});

// Tasks belong to users, on every server.
function authenticate(authorization: string | undefined): AuthInfo | undefined {
  if (!token || authorization !== `Bearer ${token}`) return undefined;
  return { token, clientId: "demo-client", scopes: [], extra: { sub: "ada" } };
}

const mcp = toNodeHandler(handler);
const http = createServer((request, response) => {
  const auth = authenticate(request.headers.authorization);
  if (auth) void mcp(Object.assign(request, { auth }) as never, response);
  else response.writeHead(401).end();
});

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  http.close();
  // Closes this first, so that open streams end gracefully.
  await handler.close();
  http.closeAllConnections();
  // Gives the leases back, so that another server can take over at once.
  await tasks.close();
  await store.close();
  process.exit();
}
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
// stdin closes when the demo ends in any way, so no server stays behind.
process.stdin.on("end", stop).on("error", stop).resume();

http.listen(0, "127.0.0.1");
await once(http, "listening");
console.log(`http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`);
