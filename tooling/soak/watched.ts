// node --expose-gc watched.ts <place>: the server that is watched. It obeys the soak's orders.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { startNotifier, startWorker, type TaskNotifier, type TaskStore, type TaskWorker } from "@mcp-task-store/core";
import { TasksExtension } from "@mcp-task-store/server";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { McpServer } from "@modelcontextprotocol/server";
import { serve } from "../bench/child.ts";
import { useInside } from "./inside.ts";
import { openPlace, type Place } from "./places.ts";
import { type Counted, takeSample } from "./sample.ts";
import { registerTools, WORKER, workerHandlers } from "./tools.ts";

/**
 * `worker`: stops the worker of this process, and starts another; `second`: opens a second store
 * beside the first, uses it, and closes it.
 */
export type Order = "address" | "sample" | "cut clients" | "close idle clients" | "worker" | "second" | "end";

const place = JSON.parse(process.argv[2] as string) as Place;
const counted: Counted = { errors: 0, delivered: 0 };
/** As of an application that ends all of its waits at its own end. */
const shutdown = new AbortController();

const onError = () => {
  counted.errors += 1;
};
const store = await openPlace(place, onError);
const tasks = new TasksExtension({ store, leaseMs: 3000, worker: WORKER, getWaitMs: 1000, onError });
const handler = tasks.createMcpHandler(() => {
  const server = new McpServer({ name: "soak", version: "1.0.0" });
  registerTools(tasks, server, () => useInside(store, shutdown.signal));
  return server;
});
const http = createServer().on("request", toNodeHandler(handler)).listen(0, "127.0.0.1");
await once(http, "listening");
const notifier = notify(store, "soak");
// Tasks in memory have no other process that could run them.
let worker = place.store === "memory" ? startWorker(store, workerHandlers, WORKER) : undefined;

function notify(of: TaskStore, name: string): TaskNotifier {
  return startNotifier(of, {
    name,
    on: ["input_required", "end"],
    limit: 100_000,
    backoff: { delayMs: 100, maxDelayMs: 1000 },
    timeoutMs: 3000,
    leaseMs: 5000,
    onError,
    deliver: () => {
      counted.delivered += 1;
    },
  });
}

async function second(): Promise<void> {
  const other = await openPlace(place, onError);
  const extension = new TasksExtension({ store: other, worker: WORKER, onError });
  const mcp = extension.createMcpHandler(() => {
    const server = new McpServer({ name: "second", version: "1.0.0" });
    registerTools(extension, server, () => useInside(other, shutdown.signal));
    return server;
  });
  const another: TaskWorker = startWorker(other, { second: async () => ({ content: [] }) }, WORKER);
  const telling = notify(other, "soak");
  try {
    const { taskId } = await other.createTask({ name: "second", claimAfterMs: 0 });
    await other.waitForResult(taskId, { signal: shutdown.signal, timeoutMs: 20_000 });
    await useInside(other, shutdown.signal);
  } finally {
    await mcp.close();
    await Promise.allSettled([another.stop(), telling.stop(), extension.close()]);
    await other.close();
  }
}

async function obey(order: Order): Promise<unknown> {
  switch (order) {
    case "address":
      return `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
    case "sample":
      return takeSample(store, http, shutdown.signal, counted);
    case "cut clients":
      return http.closeAllConnections();
    case "close idle clients":
      return http.closeIdleConnections();
    case "worker":
      await worker?.stop();
      worker = startWorker(store, workerHandlers, WORKER);
      return undefined;
    case "second":
      // The database may be on its way back.
      return second().catch(onError);
    case "end":
      return end();
  }
}

async function end(): Promise<void> {
  http.close();
  await handler.close();
  http.closeAllConnections();
  await Promise.allSettled([worker?.stop(), notifier.stop(), tasks.close()]);
  await store.close();
}

await serve(obey);
await end();
process.exit();
