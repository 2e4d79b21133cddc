// A server and a client of SDK 1.x, and a task on a store. Prints the client's view.

import { MemoryTaskStore, runTask } from "@mcp-task-store/memory";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";

const store = new MemoryTaskStore();
const capabilities = { tools: {}, tasks: { requests: { tools: { call: {} } }, list: {}, cancel: {} } };
const info = { name: "example", version: "1.0.0" };
const server = new McpServer(info, { capabilities, taskStore: store, taskMessageQueue: store.messages });
server.experimental.tasks.registerToolTask(
  "render",
  {},
  {
    async createTask({ taskStore }) {
      const task = await taskStore.createTask({ ttl: 60_000 });
      void runTask(store, task.taskId, async () => ({ content: [{ type: "text", text: "done" }] }));
      return { task };
    },
    getTask: ({ taskId, taskStore }) => taskStore.getTask(taskId),
    getTaskResult: ({ taskId, taskStore }) => taskStore.getTaskResult(taskId),
  },
);

const client = new Client(info);
const [clientSide, serverSide] = InMemoryTransport.createLinkedPair();
await Promise.all([server.connect(serverSide), client.connect(clientSide)]);
const shown = [];
const stream = client.experimental.tasks.callToolStream({ name: "render" }, CallToolResultSchema, { task: {} });
for await (const message of stream) shown.push(message.result?.content ?? message.type);
console.log(JSON.stringify(shown.filter((each) => each !== "taskStatus")));
await client.close();
await store.close();
