import type { PayloadsAnswer, TaskAnswer, TasksAnswer } from "@mcp-task-store/dashboard";
import { MemoryStorage, MemoryTaskStore } from "@mcp-task-store/memory";
import { expect, onTestFinished, test } from "vitest";
import { testCodec } from "../../../tooling/coded.ts";
import { scene } from "./support.ts";

test("without keys, a page shows all but the payloads of encrypted tasks", async () => {
  const storage = new MemoryStorage();
  const [main, writer] = [new MemoryTaskStore({ storage }), new MemoryTaskStore({ storage, codec: testCodec() })];
  onTestFinished(() => Promise.all([main.close(), writer.close()]).then(() => undefined));
  const { get, raw, post } = scene({ stores: { main } });
  const { taskId } = await writer.createTask({ name: "render", owner: "alice", arguments: { word: "hunter2" } });
  await writer.requestInputs(taskId, { sure: { method: "elicitation/create", params: {} } }, { owner: "alice" });
  await writer.updateTask(taskId, { statusMessage: "drawing" }, { owner: "alice" });

  const { tasks } = await get<TasksAnswer>("stores/main/tasks");
  expect(tasks).toMatchObject([{ taskId, owner: "alice", statusMessage: "(This text cannot be read here.)" }]);
  const task = await get<TaskAnswer>(`stores/main/tasks/${taskId}`);
  expect(task).toMatchObject({ status: "input_required", questions: {}, unreadable: ["inputRequests"] });
  const payloads = await get<PayloadsAnswer>(`stores/main/tasks/${taskId}/payloads`);
  expect(payloads).toEqual({ unreadable: ["requestId", "request", "context"] });
  const answer = post(`stores/main/tasks/${taskId}/answer`, { key: "sure", response: { action: "decline" } });
  await expect(answer).rejects.toThrow(/cannot be read here/);
  expect((await raw("api/v1/stores/main/stats")).status).toBe(200);
});
