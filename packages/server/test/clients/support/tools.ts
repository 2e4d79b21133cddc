import type { TasksExtension } from "@mcp-task-store/server";
import {
  acceptedContent,
  inputRequired,
  McpServer,
  type McpServerFactory,
  ProtocolError,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { aborted, untilAborted } from "../../../../../tooling/test/fixtures/events.ts";

const nameForm = {
  mode: "form" as const,
  message: "Your name?",
  requestedSchema: { type: "object" as const, properties: { name: { type: "string" as const } }, required: ["name"] },
};

const text = (text: string) => ({ content: [{ type: "text" as const, text }] });

/** The tools of all clients, one for each way that a call can end. */
export function factoryOf(tasks: TasksExtension): McpServerFactory {
  return () => {
    const server = new McpServer({ name: "clients-test", version: "1.0.0" });
    registerTools(tasks, server);
    return server;
  };
}

function registerTools(tasks: TasksExtension, server: McpServer): void {
  tasks.registerTool(server, "echo", { inputSchema: z.object({ say: z.string() }), task: "never" }, ({ say }) =>
    text(say),
  );

  tasks.registerTool(
    server,
    "add",
    {
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      outputSchema: z.object({ sum: z.number() }),
      task: "optional",
    },
    ({ a, b }) => ({ ...text(`${a + b}`), structuredContent: { sum: a + b } }),
  );

  tasks.registerTool(server, "add_wrongly", { outputSchema: z.object({ sum: z.number() }), task: "required" }, () => ({
    content: [],
    structuredContent: { sum: "many" },
  }));

  tasks.registerTool(server, "ask_name", { task: "required" }, async (_, task) => {
    const { action, content } = await task.elicit(nameForm);
    return text(action === "accept" ? `Hello, ${content?.["name"]}!` : action);
  });

  // The interval outlasts the test, so questions go out only with `tasks/result`.
  tasks.registerTool(server, "ask_patiently", { task: "required", pollInterval: 600_000 }, async (_, task) => {
    const { content } = await task.elicit(nameForm);
    return text(`Hello, ${content?.["name"]}!`);
  });

  tasks.registerTool(server, "ask_model", { task: "required" }, async (_, task) => {
    const { content, model } = await task.sample({
      messages: [{ role: "user", content: { type: "text", text: "A number?" } }],
      maxTokens: 10,
    });
    const [first] = [content].flat();
    return text(`${model}: ${first?.type === "text" ? first.text : ""}`);
  });

  // Only a cancellation ends it, so no test depends on timing.
  tasks.registerTool(server, "wait", { task: "required" }, async (_, task) => {
    await task.progress("waiting");
    return untilAborted(task);
  });

  tasks.registerTool(server, "refuse", { task: "required" }, () => ({ ...text("Refused"), isError: true }));

  tasks.registerTool(server, "throw", { task: "optional" }, () => {
    throw new Error("Thrown");
  });

  tasks.registerTool(server, "break", { task: "required" }, () => {
    throw new ProtocolError(-32_050, "Broken", { part: 7 });
  });

  tasks.registerTool(
    server,
    "ask_before",
    {
      task: "required",
      prepare: (_, { mcpReq }) => {
        const given = acceptedContent<{ name: string }>(mcpReq.inputResponses, "name");
        if (given) return { name: given.name };
        const { message, requestedSchema } = nameForm;
        return inputRequired({ inputRequests: { name: inputRequired.elicit({ message, requestedSchema }) } });
      },
    },
    (_, { context }) => text(`Hello, ${context?.["name"]}!`),
  );

  // Longer than any stall, so only work that cannot end at once becomes a task.
  const quick = {
    inputSchema: z.object({ how: z.enum(["answer", "ask", "throw", "break"]) }),
    answerWithinMs: 600_000,
  };
  tasks.registerTool(server, "quick", quick, async ({ how }, task) => {
    await task.progress("begun");
    if (how === "throw") throw new Error("Thrown");
    if (how === "break") throw new ProtocolError(-32_050, "Broken", { part: 7 });
    if (how === "answer") return text("at once");
    const { content } = await task.elicit(nameForm);
    return text(`Hello, ${content?.["name"]}!`);
  });

  tasks.registerTool(server, "slow", { answerWithinMs: 1 }, async (_, task) => {
    // The run ends when the client has cancelled it. Until then there is no answer.
    await aborted(task.signal);
    task.signal.throwIfAborted();
    return text("never");
  });
}
