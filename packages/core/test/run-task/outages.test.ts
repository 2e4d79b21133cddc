import { runTask, type TaskHandler, type TaskStore, TaskStoreError } from "@mcp-task-store/core";
import { expect, test } from "vitest";
import { MemoryTaskStore, withMethods } from "../../../../tooling/test/fixtures/stores.ts";

const DONE = { content: [{ type: "text", text: "done" }] };

/** A store whose database is away for the first calls of these methods. */
function away(store: TaskStore, calls: number, ...names: ("updateTask" | "requestInputs" | "awaitInput")[]): TaskStore {
  const left = new Map(names.map((name) => [name, calls]));
  const failing = <Args extends unknown[], T>(name: (typeof names)[number], call: (...args: Args) => Promise<T>) => {
    return async (...args: Args) => {
      const rest = left.get(name) ?? 0;
      left.set(name, rest - 1);
      if (rest > 0) throw new TaskStoreError("BACKEND_UNAVAILABLE", "No database", { write: "not-applied" });
      return call(...args);
    };
  };
  return withMethods(store, {
    updateTask: failing("updateTask", (...args) => store.updateTask(...args)),
    requestInputs: failing("requestInputs", (...args) => store.requestInputs(...args)),
    awaitInput: failing("awaitInput", (...args) => store.awaitInput(...args)),
  });
}

test("progress and steps outlast an outage", async () => {
  await using store = new MemoryTaskStore();
  const { taskId } = await store.createTask({ name: "render" });
  const handler: TaskHandler = async (task) => {
    expect(await task.progress("half", 1)).toBe(true);
    return { kept: await task.step("one", () => "kept") };
  };
  const outcome = await runTask(away(store, 2, "updateTask"), taskId, handler);
  expect(outcome).toMatchObject({ stored: true, status: "completed", result: { kept: "kept" } });
  expect(await store.getRecord(taskId)).toMatchObject({ checkpoint: 1 });
});

test("a question outlasts an outage, before it is stored and after", async () => {
  await using store = new MemoryTaskStore();
  const { taskId } = await store.createTask({ name: "render" });
  const running = runTask(away(store, 2, "requestInputs", "awaitInput"), taskId, async (task) => {
    const { action } = await task.elicit({ message: "Sure?" }, { key: "sure" });
    return { action };
  });
  await store.waitForTask(taskId, { until: ["input_required"] });
  await store.provideInputs(taskId, { sure: { action: "accept" } });
  expect(await running).toMatchObject({ stored: true, status: "completed", result: { action: "accept" } });
});

test("a run that is stopped does not wait for the end of an outage", async () => {
  await using store = new MemoryTaskStore();
  const { taskId } = await store.createTask({ name: "render" });
  const stop = new AbortController();
  const outcome = await runTask(
    away(store, Number.POSITIVE_INFINITY, "updateTask"),
    taskId,
    async (task) => {
      const saved = task.progress("half");
      stop.abort(new Error("stopped"));
      await expect(saved).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
      throw new Error("stopped");
    },
    { signal: stop.signal },
  );
  expect(outcome).toMatchObject({ stored: false });
  // It was given back.
  expect((await store.claimTask({ names: ["render"] }))?.lease.attempt).toBe(1);
});

test("an outage that outlasts the lease ends the run, and another one may take the task over", async () => {
  await using store = new MemoryTaskStore();
  const { taskId } = await store.createTask({ name: "render" });
  const down = () => Promise.reject(new TaskStoreError("BACKEND_UNAVAILABLE", "No database"));
  const lost = withMethods(store, { updateTask: down, renewLease: down });
  const handler: TaskHandler = async (task) => {
    expect(await task.progress("half")).toBe(false);
    return DONE;
  };
  const outcome = await runTask(lost, taskId, handler, { leaseMs: 60, heartbeatMs: 5 });
  expect(outcome).toMatchObject({ stored: false, reason: { code: "LEASE_LOST" } });
  expect((await store.getTask(taskId))?.status).toBe("working");
});
