/**
 * A server for the official conformance suite. `main.ts` is the command; tests start `process.ts`,
 * to have several on one store.
 */

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { TasksExtension } from "@mcp-task-store/server";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { McpServer } from "@modelcontextprotocol/server";
import type { Place } from "../demo/place.ts";
import { storeNamed } from "../demo/stores.ts";
import { type Role, registerTools } from "./tools.ts";

export interface ConformanceServer extends AsyncDisposable {
  readonly url: string;
}

const INFO = { name: "conformance-server", version: "1.0.0" };

async function openTasks(storeName: string, place: Place) {
  const store = await storeNamed(storeName).open(place, { limits: { ttl: { default: 3_600_000 } }, pollInterval: 200 });
  // When a server dies during a run, another one has to take over while the client still waits. A
  // slow server may seem dead, even several times.
  const tasks = new TasksExtension({ store, leaseMs: 2000, worker: { claimPollMs: 200, maxAttempts: 20 } });
  return { store, tasks };
}

export async function serve(
  storeName: string,
  place: Place,
  port: number,
  role: Role = "server",
): Promise<ConformanceServer> {
  const { store, tasks } = await openTasks(storeName, place);
  const handler = tasks.createMcpHandler(() => {
    const server = new McpServer(INFO);
    registerTools(tasks, server, role);
    return server;
  });
  const listener = toNodeHandler(handler);
  const http = createServer((request, response) => {
    if (new URL(request.url ?? "/", "http://localhost").pathname === "/mcp") void listener(request as never, response);
    else response.writeHead(404).end();
  });
  http.listen(port, "127.0.0.1");
  await once(http, "listening");
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    async [Symbol.asyncDispose]() {
      http.close();
      // Closes this first, so that open streams end gracefully.
      await handler.close();
      http.closeAllConnections();
      await tasks.close();
      await store.close();
    },
  };
}

/** Does the work of servers with the role `front`. */
export async function work(storeName: string, place: Place): Promise<ConformanceServer> {
  const { store, tasks } = await openTasks(storeName, place);
  registerTools(tasks, new McpServer(INFO), "worker");
  tasks.startWorker({ concurrency: 20, claimPollMs: 200 });
  return {
    url: "(a worker)",
    async [Symbol.asyncDispose]() {
      await tasks.close();
      await store.close();
    },
  };
}
