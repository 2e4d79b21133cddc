/** The tools that the official conformance suite asks for. */
import { setTimeout as sleep } from "node:timers/promises";
import type { TasksExtension } from "@mcp-task-store/server";
import {
  acceptedContent,
  inputRequired,
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
} from "@modelcontextprotocol/server";
import { z } from "zod";

const nameSchema = { type: "object" as const, properties: { name: { type: "string" as const } }, required: ["name"] };
const confirmSchema = {
  type: "object" as const,
  properties: { confirm: { type: "boolean" as const } },
  required: ["confirm"],
};

const text = (text: string) => ({ content: [{ type: "text" as const, text }] });

export function registerTools(tasks: TasksExtension, server: McpServer): void {
  server.registerTool(
    "greet",
    { description: "Says hello, at once", inputSchema: z.object({ name: z.string() }) },
    async ({ name }) => text(`Hello, ${name}!`),
  );

  tasks.registerTool(
    server,
    "slow_compute",
    {
      description: "Takes some seconds",
      inputSchema: z.object({ seconds: z.number(), label: z.string().optional() }),
      task: "optional",
    },
    async ({ seconds, label = "result" }, { signal }) => {
      await sleep(1000 * seconds, undefined, { signal });
      return text(`${label}: computed for ${seconds} s`);
    },
  );

  tasks.registerTool(
    server,
    "failing_job",
    { description: "Ends with an error of the tool", task: "required" },
    async () => {
      await sleep(1000);
      return { ...text("The job failed"), isError: true };
    },
  );

  tasks.registerTool(
    server,
    "protocol_error_job",
    { description: "Ends with a JSON-RPC error", task: "required" },
    () => {
      throw new ProtocolError(ProtocolErrorCode.InternalError, "The job broke the protocol");
    },
  );

  tasks.registerTool(
    server,
    "confirm_delete",
    { description: "Asks before it goes on", inputSchema: z.object({ filename: z.string() }), task: "required" },
    async ({ filename }, task) => {
      const message = `Delete ${filename}?`;
      const { action, content } = await task.elicit({ mode: "form", message, requestedSchema: confirmSchema });
      return text(action === "accept" && content?.["confirm"] ? `Deleted ${filename}` : `Kept ${filename}`);
    },
  );

  tasks.registerTool(
    server,
    "multi_input",
    { description: "Asks two things at once", task: "required" },
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
