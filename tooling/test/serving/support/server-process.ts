/**
 * A server in its own process: `SERVER_ADDRESS='{...}' node server-process.ts`. It prints its URL
 * and its tools' reports as JSON lines. The line "close" on stdin stops it gracefully, except for
 * requests under way.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import type { SdkTaskStore, TaskStore } from "@mcp-task-store/core";
import { TasksExtension } from "@mcp-task-store/server";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { McpServer } from "@modelcontextprotocol/server";
import { openStore } from "../../fixtures/durable-stores.ts";
import { registerTools } from "./process-tools.ts";

const say = (event: object) => console.log(JSON.stringify(event));

// The process must die between two writes, so it never reaches the second one.
const opened = openStore(JSON.parse(process.env["SERVER_ADDRESS"] ?? ""), { pollInterval: 5 });
const names = new Map<string, string>();
const stuck: Partial<Omit<TaskStore, "createTask"> & SdkTaskStore> = {
  async createTask(...of) {
    const task = await opened.createTask(...of);
    names.set(task.taskId, String(of[2].params?.["name"]));
    return task;
  },
  acquireLease: (taskId, options) =>
    names.get(taskId)?.startsWith("unborn") ? new Promise(() => undefined) : opened.acquireLease(taskId, options),
  finishTask: (taskId, ...of) =>
    names.get(taskId) === "unsaved" ? new Promise(() => undefined) : opened.finishTask(taskId, ...of),
};
const store = new Proxy(opened, {
  get(target, key) {
    if (Object.hasOwn(stuck, key)) return Reflect.get(stuck, key);
    const value: unknown = Reflect.get(target, key, target);
    return typeof value === "function" ? value.bind(target) : value;
  },
});

const tasks = new TasksExtension({ store, leaseMs: 60_000, worker: false });
const handler = tasks.createMcpHandler(() => {
  const server = new McpServer({ name: "test", version: "1.0.0" });
  tasks.attach(server);
  registerTools(tasks, server, say);
  return server;
});
const listener = toNodeHandler(handler);
const http = createServer((request, response) => void listener(request as never, response));
http.listen(0, "127.0.0.1");
await once(http, "listening");
say({ url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp` });

// The process ends with its parent.
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== "close") continue;
  await handler.close();
  await tasks.close();
  await opened.close();
  say({ event: "closed" });
}
process.exit();
