// Calls of several transactions of which a later one fails, and those that are one transaction.

import { aesGcm } from "@mcp-task-store/core";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { expect, onTestFinished, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { NOTIFIER, PARTLY, setAsideEvents } from "../../../tooling/test/fixtures/parts.ts";
import { newSchema, poolOf } from "./support/sql.ts";

const database = useDatabase();
/** More events than one statement writes. */
const MANY = 600;
const MESSAGE = { type: "notification", message: { jsonrpc: "2.0", method: "n" }, timestamp: 1 } as const;

/** A store, and triggers that refuse writes of its tables. */
async function opened(options: Partial<ConstructorParameters<typeof PostgresTaskStore>[0]> = {}) {
  const pool = poolOf(database.url);
  const schema = options.schema ?? newSchema();
  const store = new PostgresTaskStore({ pool, sweepIntervalMs: false, ...options, schema });
  onTestFinished(() => store.close());
  await store.getTask("none");
  const name = `"${schema.replaceAll('"', '""')}"`;
  await pool.query(`CREATE OR REPLACE FUNCTION ${name}.refuse() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'no disk'; END $$`);
  return {
    store,
    schema,
    count: async (table: string) => Number((await pool.query(`SELECT count(*) FROM ${name}.${table}`)).rows[0]?.count),
    expire: () =>
      pool.query(`UPDATE ${name}.tasks SET expires_at = 0; UPDATE ${name}.task_messages SET expires_at = 0`),
    refuse: (before: string, table: string, when = "true") =>
      pool.query(`CREATE TRIGGER refuse BEFORE ${before} ON ${name}.${table} FOR EACH ROW WHEN (${when})
        EXECUTE FUNCTION ${name}.refuse()`),
    mend: (table: string) => pool.query(`DROP TRIGGER refuse ON ${name}.${table}`),
  };
}

/** The same, with a notifier that keeps events which were set aside. */
async function withEvents() {
  const place = await opened();
  const { store } = place;
  await setAsideEvents(store, MANY);
  return place;
}

test("removeNotifier", async () => {
  const { store, refuse, mend, count } = await withEvents();
  await refuse("DELETE", "task_events", "OLD.seq > 550");
  await expect(store.operations.removeNotifier(NOTIFIER)).rejects.toMatchObject(PARTLY);
  await mend("task_events");
  // The registration is gone, and so are its events now.
  expect(await store.operations.removeNotifier(NOTIFIER)).toBe(false);
  expect(await count("task_events")).toBe(0);
});

test("redeliverEvents", async () => {
  const { store, refuse, mend } = await withEvents();
  await refuse("UPDATE", "task_events");
  await expect(store.operations.redeliverEvents({ notifier: NOTIFIER, all: true })).rejects.toMatchObject({
    write: "not-applied",
  });
  await mend("task_events");
  await refuse("UPDATE", "task_events", "OLD.seq > 550");
  await expect(store.operations.redeliverEvents({ notifier: NOTIFIER, all: true })).rejects.toMatchObject(PARTLY);
  await mend("task_events");
  expect(await store.operations.redeliverEvents({ notifier: NOTIFIER, all: true })).toBe(100);
});

test("deleteExpired, whose messages end after the tasks", async () => {
  const { store, refuse, mend, expire } = await opened();
  await store.createTask({ name: "render" });
  await store.messages.enqueue("lost", MESSAGE);
  await expire();
  await refuse("DELETE", "task_messages");
  await expect(store.deleteExpired()).rejects.toMatchObject(PARTLY);
  await mend("task_messages");
  expect(await store.deleteExpired()).toBe(1);
});

test("a task and its messages are rewritten together or not at all", async () => {
  const keys = { one: new Uint8Array(32).fill(1), two: new Uint8Array(32).fill(2) };
  const before = await opened({ codec: { encrypt: aesGcm({ keys, current: "one" }) } });
  const { taskId } = await before.store.createTask({ name: "render" });
  await before.store.messages.enqueue(taskId, MESSAGE);
  const { schema, refuse, mend } = before;
  const { store } = await opened({ schema, codec: { encrypt: aesGcm({ keys, current: "two" }) } });
  await refuse("UPDATE", "task_messages");
  await expect(store.operations.rotatePayloads()).rejects.toMatchObject({ write: "not-applied" });
  expect(await store.operations.rotatePayloads({ dryRun: true })).toMatchObject({ current: 0, rotated: 2 });
  await mend("task_messages");
  expect(await store.operations.rotatePayloads()).toMatchObject({ rotated: 2, changed: 0, unreadable: 0 });
});
