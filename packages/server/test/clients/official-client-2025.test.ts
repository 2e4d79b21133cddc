import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import {
  createApplicationInputHandler,
  createTaskSessionFromClient,
  resultFromTaskOutcome,
  type TaskEnabledSession,
  toolDeclarationFromMcpTool,
} from "@modelcontextprotocol/ext-tasks/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inFile } from "./support/places.ts";
import { STDIO_SERVER } from "./support/stdio-server.ts";

// This client calls `tasks/result` only after a task has ended, so questions must reach it
// otherwise.

describe("The official client under 2025-11-25 over stdio", () => {
  const cleanUp = new AsyncDisposableStack();
  const asked: string[] = [];
  let store: TaskStore;
  let session: TaskEnabledSession;

  beforeAll(async () => {
    const place = cleanUp.use(await inFile());
    store = place.open();
    const capabilities = { elicitation: { form: {} }, sampling: {} };
    const client = new Client({ name: "official-client", version: "1.0.0" }, { capabilities });
    cleanUp.defer(() => client.close());
    // The server asks after three polls. The client must know its task by then, even after a stall
    // of 1 s.
    const args = [STDIO_SERVER, place.path as string, "500"];
    await client.connect(new StdioClientTransport({ command: process.execPath, args }));
    expect(client.getProtocolEra()).toBe("legacy");
    const { tools } = await client.listTools();
    const declarations = new Map(tools.map((tool) => [tool.name, toolDeclarationFromMcpTool(tool)]));
    session = cleanUp.use(
      createTaskSessionFromClient(client, {
        endpointId: "clients-test",
        tools: { currentTool: (name) => declarations.get(name) },
        onInputRequest: createApplicationInputHandler({
          elicitation: (_, { scope }) => {
            asked.push(`${scope}: elicitation`);
            return { action: "accept", content: { name: "Ada" } };
          },
          sampling: (_, { scope }) => {
            asked.push(`${scope}: sampling`);
            return { model: "deep", role: "assistant", content: { type: "text", text: "42" } };
          },
          roots: () => ({ roots: [] }),
        }),
      }),
    );
  });
  afterAll(() => cleanUp.disposeAsync());

  test.each([
    ["add", { a: 2, b: 3 }, "5", []],
    ["ask_name", {}, "Hello, Ada!", ["task: elicitation"]],
    ["ask_model", {}, "deep: 42", ["task: sampling"]],
  ])("drives %s", async (tool, args, text, questions) => {
    asked.length = 0;
    const execution = await session.callTool(tool, args, { task: { preference: "prefer" } });
    expect(execution.kind).toBe("task");
    const { outcome } = await execution.settle();
    expect(resultFromTaskOutcome(outcome)).toMatchObject({ content: [{ text }] });
    expect(asked).toEqual(questions);
  });

  test("cancels a task", async () => {
    const execution = await session.callTool("wait");
    const settled = execution.settle();
    await execution.cancel();
    expect((await settled).outcome).toMatchObject({ status: "cancelled" });
    if (execution.kind !== "task") throw new Error("The call was answered at once");
    expect(await store.getTask(execution.handle.taskId, { owner: ANY_OWNER })).toMatchObject({ status: "cancelled" });
  });

  test("sees why a task failed", async () => {
    const { outcome } = await (await session.callTool("break")).settle();
    expect(outcome).toMatchObject({ status: "failed" });
  });
});
