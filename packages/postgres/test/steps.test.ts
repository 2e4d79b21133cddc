// Not portable: the rows of steps, which no call shows once their task is gone.

import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { expect, onTestFinished, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { sql } from "./support/sql.ts";

const database = useDatabase();

test("the rows of steps go with their task, whatever takes its place", async () => {
  const store = new PostgresTaskStore({ connectionString: database.url, sweepIntervalMs: false });
  onTestFinished(() => store.close());
  const make = async () => {
    await store.createTask({ taskId: "same", name: "grind", ttl: 3_600_000 });
    for (const name of ["sow", "reap"]) await store.updateTask("same", { step: { name, result: name } });
  };
  const expire = () => sql(database.url, "UPDATE mcp_tasks.tasks SET expires_at = 1");
  const rows = async () => (await sql(database.url, "SELECT count(*)::int FROM mcp_tasks.task_steps"))[0];
  await make();
  expect(await rows()).toEqual({ count: 2 });
  await expire();
  await make();
  expect(await rows(), "after a new task of the same id").toEqual({ count: 2 });
  const exported = [];
  for await (const task of store.operations.exportTasks()) exported.push(task);
  await expire();
  await store.operations.importTasks(exported);
  expect(await rows(), "after an import").toEqual({ count: 2 });
  await expire();
  await store.deleteExpired();
  expect(await rows(), "after a sweep").toEqual({ count: 0 });
  await make();
  await store.cancelTask("same");
  await store.operations.removeTasks({ id: "same" });
  expect(await rows(), "after its removal").toEqual({ count: 0 });
});
