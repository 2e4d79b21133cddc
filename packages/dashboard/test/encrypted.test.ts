import { aesGcm } from "@mcp-task-store/core";
import type { PayloadsAnswer, TaskAnswer, TasksAnswer } from "@mcp-task-store/dashboard";
import { MemoryStorage, MemoryTaskStore } from "@mcp-task-store/memory";
import { expect, onTestFinished, test } from "vitest";
import { scene } from "./support.ts";

const SECRET = "hunter2";

/** A task whose payloads are encrypted, in a dashboard over a store with the key or without. */
async function encrypted(withKey: boolean) {
  const storage = new MemoryStorage();
  const codec = { encrypt: aesGcm({ keys: { key: new Uint8Array(32).fill(7) }, current: "key" }) };
  const server = new MemoryTaskStore({ storage, codec });
  const looking = new MemoryTaskStore({ storage, ...(withKey ? { codec } : {}) });
  onTestFinished(() => Promise.all([server.close(), looking.close()]).then(() => undefined));
  const { taskId } = await server.createTask({ name: "render", owner: "alice", arguments: { word: SECRET } });
  const lease = await server.acquireLease(taskId, { owner: "alice", holder: { worker: "mill" } });
  await server.updateTask(taskId, { statusMessage: SECRET, checkpoint: { at: SECRET } }, { lease, owner: "alice" });
  const question = { method: "elicitation/create", params: { message: SECRET } };
  await server.requestInputs(taskId, { sure: question }, { lease, owner: "alice" });
  return { ...scene({ stores: { main: looking } }), taskId };
}

test("without the key, every page works, and shows what is encrypted as such", async () => {
  const { taskId, get, post, raw } = await encrypted(false);
  const { tasks } = await get<TasksAnswer>("stores/main/tasks");
  const unreadable = "(This text cannot be read here.)";
  expect(tasks).toMatchObject([{ taskId, owner: "alice", status: "input_required", statusMessage: unreadable }]);
  const task = await get<TaskAnswer>(`stores/main/tasks/${taskId}`);
  expect(task).toMatchObject({ questions: {}, unreadable: true, holder: { worker: "mill" } });
  const payloads = await get<PayloadsAnswer>(`stores/main/tasks/${taskId}/payloads`);
  expect(payloads).toEqual({ unreadable: expect.arrayContaining(["request", "context", "checkpoint"]) });
  expect((await get<TasksAnswer>(`stores/main/tasks?q=args.word%3D${SECRET}`)).tasks).toEqual([]);
  for (const path of ["stats", "workers", "tasks", `tasks/${taskId}`]) {
    const response = await raw(`api/v1/stores/main/${path}`);
    expect([path, response.status]).toEqual([path, 200]);
    expect(await response.text()).not.toMatch(/hunter2|~aes-gcm/);
  }
  // An answer needs the question. A cancel needs no key.
  const answer = post(`stores/main/tasks/${taskId}/answer`, { key: "sure", response: { action: "decline" } });
  await expect(answer).rejects.toThrow("400");
  await post(`stores/main/tasks/${taskId}/cancel`, {});
  expect(await get<TaskAnswer>(`stores/main/tasks/${taskId}`)).toMatchObject({ status: "cancelled" });
});

test("with the key, payloads are shown and found", async () => {
  const { taskId, get } = await encrypted(true);
  const { tasks } = await get<TasksAnswer>(`stores/main/tasks?q=args.word%3D${SECRET}`);
  expect(tasks).toMatchObject([{ taskId, statusMessage: SECRET }]);
  const task = await get<TaskAnswer>(`stores/main/tasks/${taskId}`);
  expect(task).toMatchObject({ questions: { sure: { params: { message: SECRET } } } });
  expect(task.unreadable).toBeUndefined();
  const payloads = await get<PayloadsAnswer>(`stores/main/tasks/${taskId}/payloads`);
  expect(payloads).toMatchObject({ request: { params: { arguments: { word: SECRET } } }, checkpoint: { at: SECRET } });
});
