// Calls of several transactions of which a later one fails.

import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { NOTIFIER, PARTLY, setAsideEvents } from "../../../tooling/test/fixtures/parts.ts";

/** More events than one transaction writes. */
const MANY = 150;

/** A store of which a notifier keeps events that were set aside. */
async function withEvents() {
  const database = new Database(":memory:");
  onTestFinished(() => void database.close());
  const store = new SqliteTaskStore({ database, sweepIntervalMs: false });
  onTestFinished(() => store.close());
  await setAsideEvents(store, MANY);
  const refuse = (before: string, after: number) =>
    database.exec(`CREATE TRIGGER refuse BEFORE ${before} ON mcp_events WHEN OLD.seq > ${after}
      BEGIN SELECT RAISE(ABORT, 'no disk'); END`);
  return { database, store, refuse, mend: () => database.exec("DROP TRIGGER refuse") };
}

test("removeNotifier", async () => {
  const { database, store, refuse, mend } = await withEvents();
  refuse("DELETE", 120);
  await expect(store.operations.removeNotifier(NOTIFIER)).rejects.toMatchObject(PARTLY);
  mend();
  // The registration is gone, and so are its events now.
  expect(await store.operations.removeNotifier(NOTIFIER)).toBe(false);
  expect(database.prepare("SELECT count(*) FROM mcp_events").pluck().get()).toBe(0);
});

test("redeliverEvents", async () => {
  const { store, refuse, mend } = await withEvents();
  refuse("UPDATE", 0);
  await expect(store.operations.redeliverEvents({ notifier: NOTIFIER, all: true })).rejects.toMatchObject({
    write: "not-applied",
  });
  mend();
  refuse("UPDATE", 120);
  await expect(store.operations.redeliverEvents({ notifier: NOTIFIER, all: true })).rejects.toMatchObject(PARTLY);
  mend();
  expect(await store.operations.redeliverEvents({ notifier: NOTIFIER, all: true })).toBe(50);
});

test("deleteExpired, whose messages end after the tasks", async () => {
  const database = new Database(":memory:");
  onTestFinished(() => void database.close());
  let now = Date.now();
  const store = new SqliteTaskStore({
    database,
    sweepIntervalMs: false,
    clock: { now: () => now },
    messageTtlMs: 1000,
  });
  onTestFinished(() => store.close());
  await store.createTask({ name: "render", ttl: 1000 });
  await store.messages.enqueue("lost", {
    type: "notification",
    message: { jsonrpc: "2.0", method: "n" },
    timestamp: 1,
  });
  now += 10_000;
  database.exec(`CREATE TRIGGER refuse BEFORE DELETE ON mcp_messages BEGIN SELECT RAISE(ABORT, 'no disk'); END`);
  await expect(store.deleteExpired()).rejects.toMatchObject({ write: "unknown" });
  database.exec("DROP TRIGGER refuse");
  expect(await store.deleteExpired()).toBe(1);
});
