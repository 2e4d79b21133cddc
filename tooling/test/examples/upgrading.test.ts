import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { getMcpTasksMigration, PostgresTaskStore as OldTaskStore } from "@adcp/sdk/server";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import pg from "pg";
import { expect, test } from "vitest";
import { useDatabase } from "../../databases/fixtures.ts";
import { run } from "../../packages.ts";
import { readmeFences } from "../../readmes.ts";
import { useScratch } from "./program.ts";

const scratch = useScratch("upgrading");
const database = useDatabase();

test("copy-adcp-tasks.ts copies tasks as they are, again and again", async () => {
  const pool = new pg.Pool({ connectionString: database.url });
  await pool.query(getMcpTasksMigration());
  const old = new OldTaskStore(pool);
  const result = { content: [{ type: "text", text: "sent" }] };
  const request = { method: "tools/call", params: { name: "report" } };
  const made: string[] = [];
  // More than a page.
  for (let index = 0; index < 12; index += 1) {
    const { taskId } = await old.createTask({ ttl: 3_600_000, pollInterval: 250 }, index, request, "a session");
    made.push(taskId);
  }
  const [completed = "", failed = "", failedWithout = "", cancelled = "", ...working] = made;
  await old.storeTaskResult(completed, "completed", result);
  await old.storeTaskResult(failed, "failed", { ...result, isError: true });
  await old.updateTaskStatus(failedWithout, "failed", "No paper");
  await old.updateTaskStatus(cancelled, "cancelled");
  await pool.end();

  const fence = readmeFences().find(({ file }) => file === "copy-adcp-tasks.ts");
  await writeFile(join(scratch.path, "copy.ts"), String(fence?.code));
  const options = { cwd: scratch.path, env: { ...process.env, DATABASE_URL: database.url } };
  for (const _ of [1, 2]) await run(process.execPath, ["copy.ts"], options);

  await using store = new PostgresTaskStore({ connectionString: database.url });
  expect(await countOf(store)).toBe(12);
  expect(await store.getTask(completed, "any session")).toMatchObject({
    status: "completed",
    ttl: 3_600_000,
    pollInterval: 250,
  });
  expect(await store.getTaskResult(completed)).toEqual(result);
  expect(await store.getTaskResult(failed)).toEqual({ ...result, isError: true });
  expect(await store.getTask(cancelled)).toMatchObject({ status: "cancelled" });
  for (const taskId of [failedWithout, ...working])
    expect(await store.getTaskResult(taskId)).toMatchObject({
      isError: true,
      content: [{ text: expect.stringMatching(/replaced/) }],
    });
});

async function countOf(store: PostgresTaskStore): Promise<number> {
  let total = 0;
  let cursor: string | undefined;
  do {
    const page = await store.listTasks(cursor);
    total += page.tasks.length;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return total;
}
