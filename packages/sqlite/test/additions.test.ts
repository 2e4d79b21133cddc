import { readFileSync } from "node:fs";
import { join } from "node:path";
import { migrate, SCHEMA_VERSION, SqliteTaskStore } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "./support/folder.ts";

// Files of version 1, and processes of version 1 beside this version.

const FIRST = readFileSync(new URL("../migrations/0001_tasks.sql", import.meta.url), "utf8");
const LONG = 3_600_000;
const CLAIM = { names: ["grind"], leaseMs: LONG };

/** A package of version 1 with a file open: its check of the ledger and its statements. */
class VersionOne {
  readonly database: Database.Database;
  readonly #status: Database.Statement;

  constructor(path: string) {
    this.database = new Database(path);
    onTestFinished(() => void this.database.close());
    const known = this.database.prepare("SELECT name FROM sqlite_schema WHERE name = 'mcp_migrations'").get();
    if (!known) this.#create();
    const newest = this.database.prepare("SELECT ifnull(max(version), 0) AS version FROM mcp_migrations").get();
    if ((newest as { version: number }).version !== 1) throw new Error("SCHEMA_MISMATCH");
    this.#status = this.database.prepare("SELECT status FROM mcp_tasks WHERE task_id = ?").pluck();
  }

  #create(): void {
    this.database.exec(`BEGIN IMMEDIATE;
      CREATE TABLE mcp_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL);
      ${FIRST}
      INSERT INTO mcp_migrations VALUES (1, 'tasks', 0);
      COMMIT`);
  }

  insert(taskId: string, request: object = { method: "tools/call", params: { name: "grind" } }): void {
    const counter =
      "(SELECT 1 + max(ifnull((SELECT max(position) FROM mcp_tasks), 0), ifnull((SELECT max(seq) FROM mcp_changes), 0)))";
    const now = Date.now();
    const payload = JSON.stringify({ requestId: 1, request });
    const small = payload.length <= 1024;
    this.database
      .prepare(
        `INSERT INTO mcp_tasks (position, task_id, owner, name, status, created_at, updated_at, ttl, expires_at,
          poll_interval, revision, attempt, lease_token, lease_expires_at, status_message, request)
          VALUES (${counter}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (task_id) DO NOTHING`,
      )
      .run(
        taskId,
        null,
        "grind",
        "working",
        now,
        now,
        LONG,
        now + LONG,
        null,
        1,
        0,
        0,
        now,
        null,
        small ? payload : null,
      );
    if (!small)
      this.database
        .prepare(
          `INSERT INTO mcp_payloads (position, field, body)
            SELECT position, 'request', ? FROM mcp_tasks WHERE task_id = ?`,
        )
        .run(payload, taskId);
  }

  take(taskId: string): void {
    this.database
      .prepare(
        `UPDATE mcp_tasks SET expires_at = ?, attempt = attempt + 1, lease_token = lease_token + 1, lease_expires_at = ?
          WHERE task_id = ?`,
      )
      .run(Date.now() + LONG, Date.now() + LONG, taskId);
  }

  complete(taskId: string): void {
    this.database
      .prepare(
        `UPDATE mcp_tasks SET status = ?, status_message = ?, updated_at = ?, revision = revision + 1, expires_at = ?,
          lease_expires_at = ?, outcome = ? WHERE task_id = ?`,
      )
      .run("completed", null, Date.now(), Date.now() + LONG, null, '{"result":{"by":1}}', taskId);
  }

  statusOf(taskId: string): unknown {
    return this.#status.get(taskId);
  }
}

function open(path: string): SqliteTaskStore {
  const store = new SqliteTaskStore({ path });
  onTestFinished(() => store.close());
  return store;
}

test("a file of version 1 keeps its tasks, and gets what operators need", async () => {
  const path = join(temporaryFolder(), "tasks.db");
  const before = new VersionOne(path);
  const large = { method: "tools/call", params: { name: "grind", arguments: { text: "x".repeat(2000) } } };
  for (const taskId of ["working", "held", "done"]) before.insert(taskId, large);
  before.take("held");
  before.take("done");
  before.complete("done");

  const store = open(path);
  const { operations } = open(path);
  expect(await store.getRecord("working")).toMatchObject({ request: large, attempt: 0 });
  expect(await store.getTaskResult("done")).toEqual({ by: 1 });
  const { records } = await operations.listRecords();
  expect(records.map(({ task, history, holder }) => [task.taskId, history, holder])).toEqual([
    ["done", [], undefined],
    ["held", [], undefined],
    ["working", [], undefined],
  ]);
  await operations.pauseClaims("grind");
  expect(await store.claimTask(CLAIM)).toBeNull();
  await operations.resumeClaims("grind");
  expect(await store.claimTask(CLAIM)).toMatchObject({ lease: { taskId: "working", attempt: 1 } });
  expect((await operations.getRecord("working"))?.history).toMatchObject([{ event: "taken" }]);
  expect(await operations.removeTasks({})).toMatchObject({ done: 1, skipped: { active: 2 } });
});

test("processes of version 1 go on beside this version, and may open the file again", async () => {
  const path = join(temporaryFolder(), "tasks.db");
  const before = new VersionOne(path);
  before.insert("first");
  const store = open(path);
  await store.operations.requeueTask("first");

  // Its statements do not name the new column, so they leave it as it is.
  before.insert("second");
  before.take("first");
  before.complete("first");
  expect(await store.getTaskResult("first")).toEqual({ by: 1 });
  expect((await store.operations.getRecord("first"))?.history).toMatchObject([{ event: "requeued" }]);
  expect(await store.claimTask(CLAIM)).toMatchObject({ lease: { taskId: "second" } });

  const { taskId } = await store.createTask({ name: "grind", ttl: LONG });
  expect(before.statusOf(taskId)).toBe("working");
  const again = new VersionOne(path);
  again.complete(taskId);
  expect(await store.getTaskResult(taskId)).toEqual({ by: 1 });
  expect(await store.operations.removeTasks({})).toMatchObject({ done: 2 });
  expect(again.statusOf(taskId)).toBeUndefined();
});

test("additions of a later package are accepted, and a later version is not", () => {
  const database = new Database(":memory:");
  expect(migrate(database)).toBe(SCHEMA_VERSION);
  const record = database.prepare("INSERT INTO mcp_migrations VALUES (?, 'later', 0)");
  record.run(-SCHEMA_VERSION - 1);
  expect(migrate(database)).toBe(0);
  record.run(SCHEMA_VERSION + 1);
  expect(() => migrate(database)).toThrow(expect.objectContaining({ code: "SCHEMA_MISMATCH" }));
  database.close();
});

test("a store with `migrate: false` does not open a file of version 1", async () => {
  const path = join(temporaryFolder(), "tasks.db");
  const before = new VersionOne(path);
  const store = new SqliteTaskStore({ path, migrate: false });
  onTestFinished(() => store.close());
  await expect(store.getTask("any")).rejects.toMatchObject({ code: "SCHEMA_MISMATCH" });
  expect(migrate(before.database)).toBe(SCHEMA_VERSION - 1);
  expect(await store.getTask("any")).toBeNull();
});
