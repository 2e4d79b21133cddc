import { RELATED_TASK_META_KEY, type TaskContext } from "@mcp-task-store/core";
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import type { RequestOptions } from "@modelcontextprotocol/sdk/shared/protocol.js";
import { ElicitRequestSchema, type ElicitResult, ElicitResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { describe, expect, test } from "vitest";
import { rejection } from "../fixtures/events.ts";
import { call, cancel, DONE, get, result, useScene } from "../fixtures/sdk-1-scene.ts";
import type { ToolCall, ToolWork } from "../fixtures/sdk-1-server.ts";
import { stores } from "../fixtures/stores.ts";

describe.each(stores)("Elicitation inside a task of SDK 1.x over $name", (kind) => {
  const scene = useScene(kind);

  /** A client that answers every question. */
  function answering(answer: (message: string) => Record<string, string>) {
    return {
      client: { capabilities: { elicitation: { form: {} } } },
      prepare(client: Client) {
        client.setRequestHandler(ElicitRequestSchema, ({ params }) => ({
          action: "accept" as const,
          content: answer(params.message),
          _meta: { related: params._meta?.[RELATED_TASK_META_KEY] },
        }));
      },
    };
  }

  const form = (message = "Which city?") => ({
    message,
    requestedSchema: { type: "object" as const, properties: { city: { type: "string" as const } } },
  });

  /** Asks as a server's author does, who sets the status. */
  async function ask({ taskId }: TaskContext, { mcp }: ToolCall, message?: string): Promise<ElicitResult> {
    await scene.store.updateTask(taskId, { status: "input_required" });
    const answer = await mcp.server.elicitInput(form(message), { relatedTask: { taskId } });
    await scene.store.updateTask(taskId, { status: "working" });
    return answer;
  }

  /** Resolves once a message waits for the task. */
  async function queued(taskId: string): Promise<void> {
    const message = await scene.store.messages.dequeue(taskId);
    if (message) return scene.store.messages.enqueue(taskId, message);
    await new Promise(setImmediate);
    return queued(taskId);
  }

  test("a question is delivered over tasks/result, and the answer reaches the handler", async () => {
    const work: ToolWork = async (task, toolCall) => {
      const answer = await ask(task, toolCall);
      return { content: [], structuredContent: { ...answer } };
    };
    const client = await (await scene.start({ work })).connect(answering(() => ({ city: "Oslo" })));
    const { taskId } = (await call(client)).task;
    await scene.store.waitForTask(taskId, { until: ["input_required"] });
    expect(await get(client, taskId)).toMatchObject({ status: "input_required" });
    expect(await result(client, taskId)).toMatchObject({
      structuredContent: { action: "accept", content: { city: "Oslo" }, _meta: { related: { taskId } } },
    });
    expect(await get(client, taskId)).toMatchObject({ status: "completed" });
  });

  test("a handler's question is stored and delivered, and sets the status both ways", async () => {
    const seen: (string | undefined)[] = [];
    const status = async ({ taskId }: TaskContext) => (await scene.store.getTask(taskId))?.status;
    const work: ToolWork = async (task) => {
      const answers = await Promise.all([task.elicit(form("a")), task.elicit(form("b"))]);
      seen.push(await status(task));
      return { content: [], structuredContent: { cities: answers.map(({ content }) => content?.["city"]) } };
    };
    const client = await (await scene.start({ work })).connect(answering((message) => ({ city: `city ${message}` })));
    const { taskId } = (await call(client)).task;
    await scene.store.waitForTask(taskId, { until: ["input_required"] });
    expect(await result(client, taskId)).toMatchObject({ structuredContent: { cities: ["city a", "city b"] } });
    expect(seen).toEqual(["working"]);
  });

  test("a question that cannot be delivered rejects in the handler", async () => {
    const work: ToolWork = async (task) => {
      const error = await rejection(task.elicit(form()));
      return { content: [], structuredContent: { error: String(error) } };
    };
    const client = await (await scene.start({ work })).connect();
    const { taskId } = (await call(client)).task;
    expect(await result(client, taskId)).toMatchObject({
      structuredContent: { error: expect.stringContaining("does not support") },
    });
  });

  test("extra.sendRequest sets the status without further calls", async () => {
    const work: ToolWork = async ({ taskId }, { extra }) => {
      const options: RequestOptions = { relatedTask: { taskId } };
      const answer = await extra.sendRequest(
        { method: "elicitation/create", params: form() },
        ElicitResultSchema,
        options,
      );
      return { content: [], structuredContent: { ...answer } };
    };
    const client = await (await scene.start({ work })).connect(answering(() => ({ city: "Oslo" })));
    const { taskId } = (await call(client)).task;
    await scene.store.waitForTask(taskId, { until: ["input_required"] });
    expect(await result(client, taskId)).toMatchObject({ structuredContent: { content: { city: "Oslo" } } });
  });

  test("several questions, sequential and concurrent, each get their own answer", async () => {
    const work: ToolWork = async ({ taskId }, { mcp }) => {
      const askFor = (message: string) => mcp.server.elicitInput(form(message), { relatedTask: { taskId } });
      const answers = [await askFor("a"), ...(await Promise.all([askFor("b"), askFor("c"), askFor("d")]))];
      return { content: [], structuredContent: { cities: answers.map(({ content }) => content?.["city"]) } };
    };
    const client = await (await scene.start({ work })).connect(answering((message) => ({ city: `city ${message}` })));
    const { taskId } = (await call(client)).task;
    expect(await result(client, taskId)).toMatchObject({
      structuredContent: { cities: ["city a", "city b", "city c", "city d"] },
    });
  });

  test("a question is asked once, even if several streams wait", async () => {
    let asked = 0;
    const work: ToolWork = async (task, toolCall) => {
      await ask(task, toolCall);
      return DONE;
    };
    const client = await (await scene.start({ work })).connect(
      answering(() => {
        asked += 1;
        return { city: "Oslo" };
      }),
    );
    const { taskId } = (await call(client)).task;
    const streams = Array.from({ length: 4 }, () => result(client, taskId));
    expect(await Promise.all(streams)).toMatchObject([DONE, DONE, DONE, DONE]);
    expect(asked).toBe(1);
  });

  test("questions beyond the queue's limit fail in the handler, which can go on", async () => {
    const work: ToolWork = async ({ taskId }, { mcp }) => {
      const askFor = () => mcp.server.elicitInput(form(), { relatedTask: { taskId } });
      const [first, second] = await Promise.allSettled([askFor(), askFor()]);
      expect(first.status).toBe("fulfilled");
      return { content: [{ type: "text", text: String(second.status === "rejected" && second.reason.message) }] };
    };
    const server = await scene.start({ work }, { maxTaskQueueSize: 1 });
    const client = await server.connect(answering(() => ({ city: "Oslo" })));
    const { taskId } = (await call(client)).task;
    await queued(taskId);
    expect(await result(client, taskId)).toMatchObject({ content: [{ text: expect.stringContaining("overflow") }] });
  });

  test("a question ends when the task is cancelled", async () => {
    const asked = Promise.withResolvers<unknown>();
    const work: ToolWork = async ({ taskId }, { mcp }) => {
      asked.resolve(await rejection(mcp.server.elicitInput(form(), { relatedTask: { taskId } })));
      return DONE;
    };
    const server = await scene.start({ work });
    const client = await server.connect(answering(() => ({ city: "Oslo" })));
    const { taskId } = (await call(client)).task;
    await queued(taskId);
    await cancel(client, taskId);
    expect(await asked.promise).toMatchObject({ message: expect.stringContaining("Task cancelled or completed") });
    expect(await server.runs.get(taskId)).toMatchObject({ stored: false, status: "cancelled" });
    expect(await scene.store.messages.dequeue(taskId)).toBeUndefined();
  });

  test("a question goes only to the session of its task", async () => {
    const work: ToolWork = async (task, toolCall) => {
      const { content } = await ask(task, toolCall);
      return { content: [], structuredContent: { ...content } };
    };
    const server = await scene.start({ work });
    const mine = await server.connect(answering(() => ({ city: "mine" })));
    const theirs = await server.connect(answering(() => ({ city: "theirs" })));
    const { taskId } = (await call(mine)).task;
    await queued(taskId);
    expect(await rejection(result(theirs, taskId))).toMatchObject({ message: expect.stringMatching(/not found/i) });
    expect(await result(mine, taskId)).toMatchObject({ structuredContent: { city: "mine" } });
  });
});
