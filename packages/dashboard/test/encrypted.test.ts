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
  for (const path of ["stats", "workers", "tasks", `tasks/${taskId}`, `tasks/${taskId}/payloads`]) {
    const response = await raw(`api/v1/stores/main/${path}`);
    expect([path, response.status]).toEqual([path, 200]);
    expect(await response.text()).not.toMatch(/hunter2|drawing|~[a-z-]+\|/);
  }
  // A filter among payloads finds nothing, and a cancel needs no key.
  expect((await get<TasksAnswer>("stores/main/tasks?q=args.word%3Dhunter2")).tasks).toEqual([]);
  await post(`stores/main/tasks/${taskId}/cancel`, {});
  expect(await get<TaskAnswer>(`stores/main/tasks/${taskId}`)).toMatchObject({ status: "cancelled" });
});

test("with the keys, payloads are shown and found", async () => {
  const main = new MemoryTaskStore({ codec: testCodec() });
  onTestFinished(() => main.close());
  const { get } = scene({ stores: { main } });
  const { taskId } = await main.createTask({ name: "render", owner: "alice", arguments: { word: "hunter2" } });
  const question = { method: "elicitation/create", params: { message: "Sure?" } };
  await main.requestInputs(taskId, { sure: question }, { owner: "alice" });
  const { tasks } = await get<TasksAnswer>("stores/main/tasks?q=args.word%3Dhunter2");
  expect(tasks).toMatchObject([{ taskId }]);
  const task = await get<TaskAnswer>(`stores/main/tasks/${taskId}`);
  expect(task).toMatchObject({ questions: { sure: question } });
  expect(task.unreadable).toBeUndefined();
  const payloads = await get<PayloadsAnswer>(`stores/main/tasks/${taskId}/payloads`);
  expect(payloads).toMatchObject({ request: { params: { arguments: { word: "hunter2" } } } });
});
