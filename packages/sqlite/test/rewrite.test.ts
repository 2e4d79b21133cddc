import { randomBytes } from "node:crypto";
import { aesGcm, SqliteTaskStore } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { expect, test } from "vitest";

test("a rotation leaves no text of an old key in the tables, also none that was replaced", async () => {
  using database = Object.assign(new Database(":memory:"), {
    [Symbol.dispose]: () => void database.close(),
  });
  const large = "hunter2 ".repeat(500);
  await using plain = new SqliteTaskStore({ database });
  const { taskId } = await plain.createTask({ name: "render", arguments: { large } });
  await plain.updateTask(taskId, { checkpoint: large, statusMessage: "hunter2" });
  const { taskId: other } = await plain.createTask({ name: "render" });
  await plain.updateTask(other, { checkpoint: large });
  // A small payload in the place of a large one.
  for (const id of [taskId, other]) await plain.updateTask(id, { checkpoint: 1 });

  const encrypt = aesGcm({ keys: { key: randomBytes(32) }, current: "key" });
  await using store = new SqliteTaskStore({ database, codec: { encrypt } });
  await store.operations.rotatePayloads();
  const texts = database
    .prepare(
      "SELECT body FROM mcp_payloads UNION ALL SELECT concat(request, checkpoint, status_message) FROM mcp_tasks",
    )
    .pluck()
    .all();
  expect(texts.join()).not.toContain("hunter2");
  expect(await store.getRecord(taskId)).toMatchObject({ checkpoint: 1, request: { params: { arguments: { large } } } });
});
