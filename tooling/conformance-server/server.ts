/**
 * A server for the official conformance suite. `main.ts` is the command; a test may also start this file as a process of its own, with an
 * address in `CONFORMANCE_PLACE`, to have several on one store. Prints its URL once it is ready.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { TasksExtension } from "@mcp-task-store/server";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { McpServer } from "@modelcontextprotocol/server";
import { type Place, storeNamed } from "../demo/stores.ts";
import { registerTools } from "./tools.ts";

export interface ConformanceServer extends AsyncDisposable {
  readonly url: string;
}

export async function serve(storeName: string, place: Place, port: number): Promise<ConformanceServer> {
  const store = await storeNamed(storeName).open(place, { limits: { ttl: { default: 3_600_000 } }, pollInterval: 200 });
  // A server that dies in the middle of a run is to be missed no longer than a client waits.
  const tasks = new TasksExtension({ store, leaseMs: 2000, worker: { pollMs: 200 } });
  const handler = tasks.createMcpHandler(() => {
    const server = new McpServer({ name: "conformance-server", version: "1.0.0" });
    tasks.attach(server);
    registerTools(tasks, server);
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
      http.closeAllConnections();
      await handler.close();
      await tasks.close();
      await store.close();
    },
  };
}
