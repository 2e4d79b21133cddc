import { ANY_OWNER, RELATED_TASK_META_KEY, type Result, runTask } from "@mcp-task-store/core";
import {
  CreateMessageRequestSchema,
  CreateMessageResultSchema,
  CreateTaskResultSchema,
  GetTaskResultSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { describe, expect, test } from "vitest";
import { useScene } from "../fixtures/sdk-1-scene.ts";
import { stores } from "../fixtures/stores.ts";

describe.each(stores)("Clients that run tasks of SDK 1.x over $name", (kind) => {
  const scene = useScene(kind);

  test("sampling as a task of the client, kept in a store of the client", async () => {
    const clientStore = scene.place.open();
    const server = await scene.start(
      {},
      {
        prepare(mcp) {
          mcp.registerTool("ask", {}, async (extra) => {
            const params = {
              messages: [{ role: "user" as const, content: { type: "text" as const, text: "Hi" } }],
              maxTokens: 10,
            };
            const request = { method: "sampling/createMessage", params } as const;
            const { task } = await extra.sendRequest(request, CreateTaskResultSchema, { task: { ttl: 60_000 } });
            const { taskId } = task;
            const status = await extra.sendRequest({ method: "tasks/get", params: { taskId } }, GetTaskResultSchema);
            const answer = await extra.sendRequest(
              { method: "tasks/result", params: { taskId } },
              CreateMessageResultSchema,
            );
            return { content: [], structuredContent: { taskId, before: status.status, answer } };
          });
        },
      },
    );
    const asked = Promise.withResolvers<string>();
    const { promise: thought, resolve: think } = Promise.withResolvers<Result>();
    const client = await server.connect({
      client: {
        capabilities: {
          sampling: {},
          tasks: { list: {}, cancel: {}, requests: { sampling: { createMessage: {} } } },
        },
        taskStore: clientStore,
        taskMessageQueue: clientStore.messages,
      },
      prepare(each) {
        each.setRequestHandler(CreateMessageRequestSchema, async (_request, extra) => {
          if (!extra.taskStore) throw new Error("No task store");
          const task = await extra.taskStore.createTask({ ttl: extra.taskRequestedTtl ?? null });
          void runTask(clientStore, task.taskId, () => thought);
          asked.resolve(task.taskId);
          return { task };
        });
      },
    });
    const answered = client.callTool({ name: "ask" });
    const taskId = await asked.promise;
    expect(await clientStore.getRecord(taskId, { owner: ANY_OWNER })).toMatchObject({ name: "sampling/createMessage" });
    const answer = { model: "m", role: "assistant", content: { type: "text", text: "Hello" } };
    think(answer);
    expect(await answered).toMatchObject({
      structuredContent: { taskId, answer: { ...answer, _meta: { [RELATED_TASK_META_KEY]: { taskId } } } },
    });
  });
});
