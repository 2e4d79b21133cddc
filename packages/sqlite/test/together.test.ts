import { join } from "node:path";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { expectOnlyRefusedCallsToFail } from "../../../tooling/test/fixtures/refused-calls.ts";
import { temporaryFolder } from "./support/folder.ts";

const request = { method: "tools/call", params: { name: "grind" } };

// ABORT undoes the statement, FAIL stops in the middle of it, and ROLLBACK ends the transaction.
test.each(["ABORT", "FAIL", "ROLLBACK"])("one call refused by %s fails no other call made with it", async (way) => {
  const path = join(temporaryFolder(), "tasks.db");
  const store = new SqliteTaskStore({ path });
  onTestFinished(() => store.close());
  for (const taskId of ["a", "b"]) await store.createTask({ taskId }, 1, request);
  const database = new Database(path);
  for (const event of ["INSERT", "UPDATE"])
    database.exec(
      `CREATE TRIGGER refuse_${event} BEFORE ${event} ON mcp_tasks WHEN new.task_id = 'b'
          BEGIN SELECT RAISE(${way}, 'refused'); END`,
    );
  database.exec(
    `CREATE TRIGGER refuse_message BEFORE INSERT ON mcp_messages WHEN new.task_id = 'b'
        BEGIN SELECT RAISE(${way}, 'refused'); END`,
  );
  database.close();
  await expectOnlyRefusedCallsToFail(store);
  expect((await store.listTasks()).tasks.map(({ taskId, status }) => [taskId, status])).toEqual([
    ["a", "completed"],
    ["b", "working"],
    ["c", "working"],
    ["d", "working"],
  ]);
  expect(await store.messages.dequeueAll("b")).toEqual([]);
});
