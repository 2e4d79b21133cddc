import { DurableTaskStore, type TaskBackend } from "@mcp-task-store/core/backend";
import { expect, test } from "vitest";
import { stores } from "../../../tooling/test/fixtures/stores.ts";

const [memory] = stores;
const newPlace = (memory as (typeof stores)[number]).usePlaces();

/** A backend in which something happens right before steps are read. */
function interrupted(backend: TaskBackend, before: () => Promise<unknown>): TaskBackend {
  return new Proxy(backend, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      if (key !== "stepsOf") return value.bind(target);
      return async (taskIds: readonly string[]) => {
        await before();
        return target.stepsOf?.(taskIds);
      };
    },
  });
}

test("a task that goes while its steps are read is not found, instead of one without steps", async () => {
  await using place = await newPlace();
  const other = new DurableTaskStore(place.openBackend(), { sweepIntervalMs: false });
  const { taskId } = await other.createTask({ name: "work" });
  await other.updateTask(taskId, { step: { name: "first", result: 1 } });
  await other.cancelTask(taskId);
  const backend = interrupted(place.openBackend(), () => other.operations.removeTasks({ id: taskId }));
  const store = new DurableTaskStore(backend, { sweepIntervalMs: false });
  await expect(store.readSteps(taskId)).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
  await store.close();
  await other.close();
});
