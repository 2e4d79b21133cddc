import { MemoryTaskStore } from "@mcp-task-store/memory";
import { expect, test } from "vitest";

const CALL = { method: "tools/call", params: { name: "render" } };

test("an explicit owner is used as it is, without the `owner` option", async () => {
  await using store = new MemoryTaskStore({ owner: (sessionId) => (sessionId === "session" ? "ann" : undefined) });
  const mapped = await store.createTask({}, 1, CALL, "session");
  const said = await store.createTask({}, 2, CALL, { owner: "ben" });
  const unowned = await store.createTask({}, 3, CALL, {});

  const seenBy = async (caller?: string | { owner?: string }) => {
    const { tasks } = await store.listTasks(undefined, caller);
    for (const { taskId } of [mapped, said, unowned])
      expect((await store.getTask(taskId, caller)) !== null).toBe(tasks.some((task) => task.taskId === taskId));
    return tasks.map(({ taskId }) => taskId);
  };
  expect(await seenBy("session")).toEqual([mapped.taskId]);
  expect(await seenBy({ owner: "ann" })).toEqual([mapped.taskId]);
  expect(await seenBy({ owner: "ben" })).toEqual([said.taskId]);
  expect(await seenBy("ben")).toEqual([unowned.taskId]);
  expect(await seenBy({})).toEqual([unowned.taskId]);
});
