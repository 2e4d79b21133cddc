import type { ExportedTask } from "@mcp-task-store/core";
import { expect, test } from "vitest";
import { MemoryTaskStore } from "../../../../tooling/test/fixtures/stores.ts";

async function exportedTask(): Promise<ExportedTask> {
  await using store = new MemoryTaskStore();
  const { taskId } = await store.createTask({ name: "render", arguments: { frame: 1 } });
  await store.requestInputs(taskId, { fine: { method: "elicitation/create", params: {} } });
  for await (const task of store.operations.exportTasks()) return JSON.parse(JSON.stringify(task)) as ExportedTask;
  throw new Error("There is no task");
}

const ended = { status: "failed", leaseExpiresAt: null } as const;

test.each([
  ["createdAt", { createdAt: "+275760-09-13T00:00:00.000Z", ttl: 1000 }],
  ["updatedAt", { updatedAt: "-000001-01-01T00:00:00.000Z" }],
  ["expiresAt", { expiresAt: "+275760-09-13T00:00:00.000Z" }],
  ["leaseExpiresAt", { leaseExpiresAt: "+275760-09-13T00:00:00.000Z" }],
  ["leaseExpiresAt", { leaseExpiresAt: null }],
  ["ttl", { ttl: 0.5 }],
  ["ttl", { ttl: 1e300 }],
  ["pollInterval", { pollInterval: -1 }],
  ["revision", { revision: 2 ** 31 }],
  ["leaseToken", { leaseToken: Number.MAX_SAFE_INTEGER }],
  ["taskId", { taskId: "" }],
  ["taskId", { taskId: "x".repeat(513) }],
  ["owner", { owner: "a\0b" }],
  ["name", { name: "\ud800" }],
  ["statusMessage", { statusMessage: { toString: 1 } }],
  ["history", { history: 5 }],
  ["messages", { messages: [null] }],
  ["request", { request: { requestId: 1 } }],
  ["request", { request: "x" }],
  ["inputs", { inputs: { fine: {} } }],
  ["inputs", { inputs: [null] }],
  ["outcome", { outcome: { result: {} } }],
  ["outcome", { ...ended, outcome: { error: { code: "x", message: "" } } }],
  ["outcome", { ...ended, outcome: { result: 3 } }],
])("a task with a wrong %s is refused before anything is written: %j", async (field, wrong) => {
  await using store = new MemoryTaskStore();
  const task = { ...(await exportedTask()), ...wrong } as ExportedTask;
  await expect(store.operations.importTasks([task])).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: `The exported task has no valid ${field}`,
  });
  expect((await store.operations.listRecords()).records).toEqual([]);
});

test("a history of any length and any characters is kept as a store would keep it", async () => {
  await using store = new MemoryTaskStore();
  const entry = `${Date.now()} {"event":"requeued"}\n`;
  const task = { ...(await exportedTask()), history: `\0\ud800${entry.repeat(10_000)}` };
  await store.operations.importTasks([task]);
  for await (const { history } of store.operations.exportTasks()) {
    expect(history?.length).toBe(4096);
    expect(history?.endsWith(entry)).toBe(true);
  }
});

test("large tasks are written before a hundred of them are in memory", async () => {
  await using store = new MemoryTaskStore();
  const task = await exportedTask();
  const checkpoint = "x".repeat(5 * 2 ** 20);
  const steps: number[] = [];
  const tasks = Array.from({ length: 9 }, (_, index) => ({ ...task, taskId: `task ${index}`, checkpoint }));
  await store.operations.importTasks(tasks, { onProgress: ({ imported }) => steps.push(imported) });
  expect(steps).toEqual([4, 8, 9]);
});
