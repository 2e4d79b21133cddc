/** A server for clients that know no tasks. As a process, it speaks over stdio. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { TasksExtension } from "@mcp-task-store/server";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

export const PLAIN_STDIO_SERVER = fileURLToPath(import.meta.url);

const text = (said: string) => ({ content: [{ type: "text" as const, text: said }] });
const form = {
  mode: "form" as const,
  message: "Which colour?",
  requestedSchema: { type: "object", properties: { colour: { type: "string" } }, required: ["colour"] } as const,
};

function factoryOf(tasks: TasksExtension): () => McpServer {
  return () => {
    const server = new McpServer({ name: "plain-test", version: "1.0.0" });
    tasks.registerFallbackTools(server);
    const frames = { inputSchema: z.object({ frames: z.number() }), outputSchema: z.object({ rendered: z.number() }) };
    const plain = { task: "required", withoutTasks: "tools" } as const;
    tasks.registerTool(server, "render", { ...frames, ...plain }, ({ frames: rendered }) => ({
      ...text(`${rendered} frames`),
      structuredContent: { rendered },
    }));
    tasks.registerTool(server, "paint", plain, async (_, task) =>
      text(`painted ${(await task.elicit(form, { key: "colour" })).content?.colour}`),
    );
    tasks.registerTool(server, "endless", plain, async (_, { signal }) => {
      await once(signal, "abort");
      throw signal.reason;
    });
    tasks.registerTool(
      server,
      "inline",
      { ...frames, task: "required", withoutTasks: "inline" },
      ({ frames: rendered }) => ({
        ...text(`${rendered} frames`),
        structuredContent: { rendered },
      }),
    );
    tasks.registerTool(server, "refused", { task: "required" }, () => text("done"));
    return server;
  };
}

/** The server over Streamable HTTP on this machine. */
export async function servePlain(): Promise<AsyncDisposable & { url: string }> {
  const store = new MemoryTaskStore();
  const tasks = new TasksExtension({ store });
  const handler = tasks.createMcpHandler(factoryOf(tasks));
  const http = createServer().on("request", toNodeHandler(handler)).listen(0, "127.0.0.1");
  await once(http, "listening");
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      http.close();
      await handler.close();
      await tasks.close();
      await store.close();
    },
  };
}

if (process.argv[1] === PLAIN_STDIO_SERVER) {
  const tasks = new TasksExtension({ store: new MemoryTaskStore() });
  tasks.serveStdio(factoryOf(tasks));
}
