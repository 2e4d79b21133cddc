import { setTimeout as sleep } from "node:timers/promises";
import type { PayloadsAnswer, TaskAnswer, TasksAnswer, WorkersAnswer } from "@mcp-task-store/dashboard";
import { redactSecrets } from "@mcp-task-store/dashboard";
import { expect, test } from "vitest";
import { scene } from "./support.ts";

test("a list has rows without payloads, page by page", async () => {
  const { store, get, raw } = scene();
  for (let index = 0; index < 5; index += 1)
    await store.createTask({ name: `tool-${index}`, arguments: { word: "hunter2" }, owner: "alice" });
  const path = "stores/main/tasks?limit=2&order=oldest&q=args.word%3Dhunter2";
  const first = await get<TasksAnswer>(path);
  const second = await get<TasksAnswer>(`${path}&cursor=${first.nextCursor}`);
  const third = await get<TasksAnswer>(`${path}&cursor=${second.nextCursor}`);
  const names = [first, second, third].flatMap(({ tasks }) => tasks.map(({ name }) => name));
  expect(names).toEqual(["tool-0", "tool-1", "tool-2", "tool-3", "tool-4"]);
  expect(await (await raw("api/v1/stores/main/tasks")).text()).not.toContain("hunter2");
});

test.each(["q=stauts=failed", "q=age%3E", "limit=0", "limit=many", "order=up", "cursor=x"])(
  "?%s is refused with words",
  async (query) => {
    const { raw } = scene();
    const response = await raw(`api/v1/stores/main/tasks?${query}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      error: { code: expect.stringMatching(/^INVALID/), message: expect.any(String) },
    });
  },
);

test("a task has its history and questions; its payloads only if they are asked for, redacted", async () => {
  const { store, get, raw } = scene();
  const { taskId } = await store.createTask({
    name: "render",
    owner: "alice",
    arguments: JSON.parse('{"frames": 3, "apiKey": "k-1", "__proto__": {"password": "p-1"}}'),
    context: { authorization: "Bearer b-1" },
  });
  const lease = await store.acquireLease(taskId, { holder: { worker: "mill" } });
  const requestedSchema = { type: "object", properties: { password: { type: "string" } } };
  const question = { method: "elicitation/create", params: { message: "Sure?", token: "t-1", requestedSchema } };
  await store.requestInputs(taskId, { sure: question }, { lease });
  const task = await get<TaskAnswer>(`stores/main/tasks/${taskId}`);
  expect(task).toMatchObject({
    status: "input_required",
    owner: "alice",
    history: [{ event: "taken", holder: { worker: "mill" } }],
    holder: { worker: "mill", pid: process.pid },
    questions: { sure: { params: { message: "Sure?", token: "[redacted]", requestedSchema } } },
  });
  expect(JSON.stringify(task)).not.toMatch(/frames|k-1|p-1|b-1|t-1/);
  const payloads = await get<PayloadsAnswer>(`stores/main/tasks/${taskId}/payloads`);
  expect(payloads).toMatchObject({ request: { params: { arguments: { frames: 3, apiKey: "[redacted]" } } } });
  const text = await (await raw(`api/v1/stores/main/tasks/${taskId}/payloads`)).text();
  expect(text).toContain('"__proto__":{"password":"[redacted]"}');
  expect(text).not.toMatch(/k-1|p-1|b-1/);
  // What is stored stays as it was.
  expect(await store.operations.getRecord(taskId)).toMatchObject({ context: { authorization: "Bearer b-1" } });
});

test("redact decides what the browser gets, and knows where it comes from", async () => {
  const places: unknown[] = [];
  const { store, get } = scene({
    redact(value, place) {
      places.push([place.store, place.name, place.owner, place.field]);
      return place.field === "statusMessage" ? "***" : redactSecrets(value);
    },
  });
  const { taskId } = await store.createTask({ name: "render", owner: "alice" });
  await store.updateTask(taskId, { statusMessage: "card 4711" });
  const { tasks } = await get<TasksAnswer>("stores/main/tasks");
  expect(tasks).toMatchObject([{ statusMessage: "***" }]);
  expect(places).toEqual([["main", "render", "alice", "statusMessage"]]);
});

test("redactSecrets looks at every depth, and leaves other values as they are", () => {
  const value = { a: [{ userPassword: 1, maxTokens: 5 }], progressToken: 7, cookie: null, "x-api-key": "k" };
  const shown = { a: [{ userPassword: "[redacted]", maxTokens: 5 }], progressToken: 7, cookie: null };
  expect(redactSecrets(value)).toEqual({ ...shown, "x-api-key": "[redacted]" });
});

test("workers are those who hold tasks", async () => {
  const { store, get } = scene();
  const ids = await Promise.all([1, 2, 3].map(async () => (await store.createTask({ name: "render" })).taskId));
  await store.acquireLease(ids[0] as string, { holder: { worker: "mill", version: "1.2" } });
  await store.acquireLease(ids[1] as string, { holder: { worker: "mill", version: "1.2" } });
  const { workers, complete } = await get<WorkersAnswer>("stores/main/workers");
  expect(complete).toBe(true);
  expect(workers).toMatchObject([{ worker: "mill", version: "1.2", pid: process.pid, tasks: [{}, {}] }]);
});

test("statistics are shared for a while, and made anew after an act", async () => {
  const { store, get, post } = scene();
  const { taskId } = await store.createTask({ name: "render" });
  let made = 0;
  const stats = store.operations.stats.bind(store.operations);
  const counted = (...args: []) => {
    made += 1;
    return stats(...args);
  };
  Object.assign(store.operations, { stats: counted });
  const read = () => get<{ counts: Record<string, number> }>("stores/main/stats");
  await Promise.all([read(), read(), read()]);
  expect(made).toBe(1);
  await post("stores/main/pauses", { name: "render", paused: true });
  expect(await read()).toMatchObject({ names: { render: { paused: true } } });
  await store.cancelTask(taskId);
  await sleep(0);
  expect(made).toBe(2);
});

test("an id of any characters has an address", async () => {
  const { store, get } = scene();
  const id = "a/b?c#d%20e<f>.";
  await store.createTask({ name: "render", taskId: id });
  expect(await get(`stores/main/tasks/${encodeURIComponent(id)}`)).toMatchObject({ taskId: id });
});
