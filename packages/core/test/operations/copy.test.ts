import { copyTasks } from "@mcp-task-store/core";
import { expect, test } from "vitest";
import { MemoryStorage, MemoryTaskStore, withMethods } from "../../../../tooling/test/fixtures/stores.ts";

test("a task that the second store does not take stays with the runners of the first one", async () => {
  await using from = new MemoryTaskStore();
  await using to = new MemoryTaskStore({ limits: { payloadBytes: 100 } });
  const { taskId } = await from.createTask({ name: "render", arguments: { text: "x".repeat(200) } });
  await expect(copyTasks(from, to, { active: "move" })).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
  expect((await from.claimTask({ names: ["render"] }))?.lease.taskId).toBe(taskId);
});

test("a store is not copied to itself, under whatever handle, and its tasks go on", async () => {
  const storage = new MemoryStorage();
  await using from = new MemoryTaskStore({ storage });
  await using to = new MemoryTaskStore({ storage });
  const { taskId } = await from.createTask({ name: "render" });
  await expect(copyTasks(from, to, { active: "move" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect((await from.claimTask({ names: ["render"] }))?.lease.taskId).toBe(taskId);
});

test("a task that workers take again at once is left after a bounded number of tries", async () => {
  await using from = new MemoryTaskStore();
  await using to = new MemoryTaskStore();
  const { taskId } = await from.createTask({ name: "render" });
  let taken = 0;
  const busy = withMethods(from, {
    async acquireLease(...args) {
      taken += 1;
      if (taken > 1000) throw new Error("There is no end");
      await from.claimTask({ names: ["render"] });
      return from.acquireLease(...args);
    },
  });
  expect(await copyTasks(busy, to, { active: "move" })).toMatchObject({ moved: 0, left: 1 });
  expect(taken).toBeLessThan(100);
  expect(await to.getTask(taskId)).toBeNull();
});

test("a task that is cancelled while it moves is cancelled in both stores, and the copy goes on", async () => {
  await using from = new MemoryTaskStore();
  await using to = new MemoryTaskStore();
  const first = await from.createTask({ name: "render" });
  const second = await from.createTask({ name: "render" });
  const cancelled = withMethods(from, {
    async finishTask(...args) {
      if (args[0] === first.taskId) await from.updateTask(first.taskId, { status: "cancelled" });
      return from.finishTask(...args);
    },
  });
  expect(await copyTasks(cancelled, to, { active: "move" })).toMatchObject({ moved: 2, left: 0 });
  expect((await to.getTask(first.taskId))?.status).toBe("cancelled");
  expect((await to.claimTask({ names: ["render"] }))?.lease.taskId).toBe(second.taskId);
});
