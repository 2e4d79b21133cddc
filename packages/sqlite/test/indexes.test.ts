import { join } from "node:path";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "./support/folder.ts";

const request = { method: "tools/call", params: { name: "grind" } };

test("the first claim or cap creates its index, and all stores use it", async () => {
  const path = join(temporaryFolder(), "tasks.db");
  const plain = new SqliteTaskStore({ path });
  const working = new SqliteTaskStore({ path });
  const capped = new SqliteTaskStore({ path, limits: { activeTasksPerOwner: 2 } });
  const database = new Database(path);
  const indexes = () =>
    database
      .prepare("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE INDEX%lease_expires_at IS NOT NULL'")
      .pluck()
      .all();
  const create = (store: SqliteTaskStore) => store.createTask({ claimAfterMs: 0 }, 1, request);
  const complete = (taskId: string) => plain.storeTaskResult(taskId, "completed", {});

  const before = await create(plain);
  expect(indexes()).toEqual([]);
  expect(await working.claimTask({ names: ["grind"] })).toMatchObject({ lease: { taskId: before.taskId } });
  expect(indexes()).toEqual(["mcp_tasks_by_lease"]);
  // These statements were prepared before the index existed.
  const after = await create(plain);
  await complete((await create(plain)).taskId);
  expect(await working.claimTask({ names: ["grind"] })).toMatchObject({ lease: { taskId: after.taskId } });
  expect(await working.claimTask({ names: ["grind"] })).toBeNull();

  await expect(create(capped)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  expect(indexes()).toEqual(["mcp_tasks_by_lease", "mcp_tasks_active"]);
  await complete(before.taskId);
  await create(capped);
  await expect(create(capped)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  database.close();
  await Promise.all([plain, working, capped].map((store) => store.close()));
});

test("the first claim with limits creates its indexes, and other claims create none", async () => {
  const path = join(temporaryFolder(), "tasks.db");
  const [plain, limited] = [new SqliteTaskStore({ path }), new SqliteTaskStore({ path })];
  const database = new Database(path);
  onTestFinished(async () => {
    database.close();
    await Promise.all([plain.close(), limited.close()]);
  });
  const indexes = database
    .prepare("SELECT name FROM sqlite_schema WHERE name IN ('mcp_tasks_by_turn', 'mcp_tasks_running') ORDER BY name")
    .pluck();
  const create = () => plain.createTask({ claimAfterMs: 0 }, 1, request);
  const concurrency = { grind: { running: 2 } };
  await create();
  await plain.claimTask({ names: ["grind"] });
  expect(indexes.all()).toEqual([]);
  await create();
  expect(await limited.claimTask({ names: ["grind"], concurrency })).not.toBeNull();
  expect(indexes.all()).toEqual(["mcp_tasks_by_turn", "mcp_tasks_running"]);
  // These statements were prepared before the indexes existed.
  await Promise.all([create(), create()]);
  expect(await limited.claimTask({ names: ["grind"], concurrency })).not.toBeNull();
  expect(await limited.claimTask({ names: ["grind"], concurrency })).toBeNull();
  expect(await plain.claimTask({ names: ["grind"] })).not.toBeNull();
});

test("the first search for active or failed tasks creates its index, and other searches create none", async () => {
  const path = join(temporaryFolder(), "tasks.db");
  const [plain, watched] = [new SqliteTaskStore({ path }), new SqliteTaskStore({ path })];
  const database = new Database(path);
  onTestFinished(async () => {
    database.close();
    await Promise.all([plain.close(), watched.close()]);
  });
  const found = database
    .prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'mcp_tasks_active_or_failed'")
    .pluck();
  const active = () => watched.operations.listRecords({ where: { status: "active" } });
  const { taskId } = await plain.createTask({}, 1, request);
  expect((await watched.operations.listRecords()).records.length).toBe(1);
  expect(found.get()).toBe(0);
  expect((await active()).records.length).toBe(1);
  expect(found.get()).toBe(1);
  // These statements were prepared before the index existed.
  await plain.storeTaskResult(taskId, "completed", {});
  await plain.createTask({}, 1, request);
  expect(await active()).toMatchObject({ records: [{ name: "grind" }], scanned: 1 });
});
