import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { describe, expect, onTestFinished, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { newSchema, poolOf, sql } from "./support/sql.ts";

// A deployment may migrate tables while old processes run. This voids prepared statements, but no
// call may fail.

const database = useDatabase();
const request = { method: "tools/call", params: { name: "grind" } };
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

const changes: [string, (tables: string) => string][] = [
  [
    "of a number's type",
    (tables) => `ALTER TABLE ${tables}.tasks ALTER revision TYPE bigint, ALTER attempt TYPE numeric`,
  ],
  ["of a time's type", (tables) => `ALTER TABLE ${tables}.tasks ALTER created_at TYPE numeric, ALTER ttl TYPE numeric`],
  [
    "of a text's type",
    (tables) =>
      `ALTER TABLE ${tables}.tasks ALTER status TYPE varchar, ALTER request TYPE varchar, ALTER outcome TYPE varchar;
      ALTER TABLE ${tables}.task_messages ALTER body TYPE varchar`,
  ],
  [
    "of the columns' order",
    (tables) =>
      `ALTER TABLE ${tables}.tasks DROP status_message; ALTER TABLE ${tables}.tasks ADD added integer;
      ALTER TABLE ${tables}.tasks ADD status_message text`,
  ],
];

async function callAll(store: PostgresTaskStore, text: string): Promise<unknown> {
  const { taskId } = await store.createTask({ ttl: 60_000 }, 1, request);
  await store.updateTaskStatus(taskId, "working", text);
  await store.messages.enqueue(
    taskId,
    { type: "notification", message: { jsonrpc: "2.0", method: text }, timestamp: 1 },
    undefined,
    9,
  );
  const message = await store.messages.dequeue(taskId);
  await store.storeTaskResult(taskId, "completed", { text });
  await store.createTask({ claimAfterMs: 0 }, 1, { method: text });
  const claimed = await store.claimTask({ names: [text] });
  const { ttl, status, statusMessage } = (await store.getTask(taskId)) ?? {};
  return {
    ttl,
    status,
    statusMessage,
    message,
    claimed: claimed !== undefined,
    result: await store.getTaskResult(taskId),
  };
}

const found = (text: string) => ({
  ttl: 60_000,
  status: "completed",
  statusMessage: text,
  message: { type: "notification", message: { jsonrpc: "2.0", method: text }, timestamp: 1 },
  claimed: true,
  result: { text },
});

describe.each([1, 4])("with %d connections", (max) => {
  test.each(changes)("the first calls after a change %s succeed", async (_, change) => {
    const schema = newSchema();
    const pool = poolOf(database.url, { max });
    const stores = [
      new PostgresTaskStore({ connectionString: database.url, schema, maxConnections: max }),
      new PostgresTaskStore({ pool, schema, limits: { activeTasks: 100 } }),
    ];
    onTestFinished(async () => {
      await Promise.all(stores.map((store) => store.close()));
    });
    for (const store of stores) {
      const calls = Array.from({ length: max }, (_each, index) => `before ${index}`);
      expect(await Promise.all(calls.map((text) => callAll(store, text)))).toEqual(calls.map(found));
    }
    await sql(database.url, change(quoted(schema)));
    const before = pool.totalCount;
    for (const store of stores) {
      const calls = Array.from({ length: max * 2 }, (_each, index) => `after ${index}`);
      expect(await Promise.all(calls.map((text) => callAll(store, text)))).toEqual(calls.map(found));
    }
    // The store closed no connection.
    expect(pool.totalCount).toBe(before);
  });
});

test("a wait survives two changes of a column's type", async () => {
  const schema = newSchema();
  const store = new PostgresTaskStore({ connectionString: database.url, schema, listen: false, changePollMs: 20 });
  const other = new PostgresTaskStore({ connectionString: database.url, schema });
  onTestFinished(async () => {
    await Promise.all([store.close(), other.close()]);
  });
  for (const type of ["bigint", "integer", "numeric"]) {
    const { taskId } = await store.createTask({}, 1, request);
    const waiting = store.waitForTask(taskId);
    await store.getTask(taskId);
    await sql(database.url, `ALTER TABLE ${quoted(schema)}.tasks ALTER revision TYPE ${type}`);
    await other.cancelTask(taskId);
    expect((await waiting).task.status).toBe("cancelled");
  }
});

test.each([
  ["42804", "ttl", "boolean USING true"],
  ["42883", "lease_token", "text USING lease_token::text"],
])("a column type that the statements cannot use (%s) is SCHEMA_MISMATCH", async (code, column, type) => {
  const schema = newSchema();
  const store = new PostgresTaskStore({ connectionString: database.url, schema });
  onTestFinished(() => store.close());
  const { taskId } = await store.createTask({}, 1, request);
  await sql(database.url, `ALTER TABLE ${quoted(schema)}.tasks ALTER ${column} TYPE ${type}`);
  const refused = { code: "SCHEMA_MISMATCH", cause: expect.objectContaining({ code }) };
  await expect(column === "ttl" ? store.createTask({}, 1, request) : store.acquireLease(taskId)).rejects.toMatchObject(
    refused,
  );
});
