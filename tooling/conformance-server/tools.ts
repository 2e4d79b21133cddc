/** The tools that the official conformance suite asks for. */
import { setTimeout as sleep } from "node:timers/promises";
import type { TaskContext } from "@mcp-task-store/core";
import type { TasksExtension } from "@mcp-task-store/server";
import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  inputRequired,
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { z } from "zod";

const nameSchema = { type: "object" as const, properties: { name: { type: "string" as const } }, required: ["name"] };
const confirmSchema = {
  type: "object" as const,
  properties: { confirm: { type: "boolean" as const } },
  required: ["confirm"],
};

const text = (text: string) => ({ content: [{ type: "text" as const, text }] });

/**
 * A `server` answers requests and runs tasks. A `front` answers requests, and leaves tasks to a
 * `worker`.
 */
export type Role = "server" | "front" | "worker";

/** Takes this long in total, even if several processes share the work. */
async function takeTime(ms: number, { checkpoint, progress, signal }: TaskContext): Promise<void> {
  const end = typeof checkpoint === "number" ? checkpoint : Date.now() + ms;
  await progress("Computing", end);
  await sleep(Math.max(0, end - Date.now()), undefined, { signal });
}

/** Whether the client of this request accepts a task as the answer. */
function takesTasks(tasks: TasksExtension, { mcpReq }: ServerContext): boolean {
  const envelope = mcpReq.envelope as { [CLIENT_CAPABILITIES_META_KEY]?: ClientCapabilities } | undefined;
  return envelope?.[CLIENT_CAPABILITIES_META_KEY]?.extensions?.[tasks.id] !== undefined;
}

export function registerTools(tasks: TasksExtension, server: McpServer, role: Role): void {
  tasks.attach(server);
  const runs = role === "server" ? "server" : "worker";

  server.registerTool(
    "greet",
    { description: "Says hello, at once", inputSchema: z.object({ name: z.string() }) },
    async ({ name }) => text(`Hello, ${name}!`),
  );

  const slowCompute = {
    description: "Takes some seconds",
    inputSchema: z.object({ seconds: z.number(), label: z.string().optional() }),
  };
  const computed = ({ seconds, label = "result" }: { seconds: number; label?: string | undefined }) =>
    text(`${label}: computed for ${seconds} s`);
  if (role === "front") {
    // Only clients that accept tasks can call a tool left to workers. This tool must serve all
    // clients.
    server.registerTool("slow_compute", slowCompute, async (args, ctx) => {
      if (takesTasks(tasks, ctx)) return tasks.create(ctx);
      await sleep(1000 * args.seconds, undefined, { signal: ctx.mcpReq.signal });
      return computed(args);
    });
  } else {
    tasks.registerTool(server, "slow_compute", { ...slowCompute, task: "optional", runs }, async (args, task) => {
      await takeTime(1000 * args.seconds, task);
      return computed(args);
    });
  }

  tasks.registerTool(
    server,
    "failing_job",
    { description: "Ends with an error of the tool", task: "required", runs },
    async (_, task) => {
      await takeTime(1000, task);
      return { ...text("The job failed"), isError: true };
    },
  );

  tasks.registerTool(
    server,
    "protocol_error_job",
    { description: "Ends with a JSON-RPC error", task: "required", runs },
    () => {
      throw new ProtocolError(ProtocolErrorCode.InternalError, "The job broke the protocol");
    },
  );

  tasks.registerTool(
    server,
    "confirm_delete",
    { description: "Asks before it goes on", inputSchema: z.object({ filename: z.string() }), task: "required", runs },
    async ({ filename }, task) => {
      const message = `Delete ${filename}?`;
      const { action, content } = await task.elicit({ mode: "form", message, requestedSchema: confirmSchema });
      return text(action === "accept" && content?.["confirm"] ? `Deleted ${filename}` : `Kept ${filename}`);
    },
  );

  tasks.registerTool(
    server,
    "multi_input",
    { description: "Asks two things at once", task: "required", runs },
    async (_, task) => {
      const answers = await Promise.all(
        ["first", "second"].map((which) =>
          task.elicit({ mode: "form", message: `Your ${which} name?`, requestedSchema: nameSchema }),
        ),
      );
      return text(answers.map(({ content }) => content?.["name"] ?? "nobody").join(" and "));
    },
  );

  tasks.registerTool(
    server,
    "test_tool_with_task",
    {
      description: "Asks before there is a task",
      task: "required",
      runs,
      prepare: (_, { mcpReq }) => {
        const content = acceptedContent<{ name: string }>(mcpReq.inputResponses, "name");
        if (content) return { name: content.name };
        const question = inputRequired.elicit({ message: "Your name?", requestedSchema: nameSchema });
        return inputRequired({ inputRequests: { name: question } });
      },
    },
    async (_, { context }) => text(`Hello, ${context?.["name"]}!`),
  );
}
