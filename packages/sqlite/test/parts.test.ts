// Calls of several transactions of which a later one fails.

import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";

const PARTLY = { code: "BACKEND_UNAVAILABLE", write: "unknown", message: /a part of it was done/, cause: /no disk/ };
/** More events than one transaction writes. */
const MANY = 150;
const notifier = "mail";

/** A store of which a notifier keeps events that were set aside. */
async function withEvents() {
  const database = new Database(":memory:");
  onTestFinished(() => void database.close());
  const store = new SqliteTaskStore({ database, sweepIntervalMs: false });
  onTestFinished(() => store.close());
  await store.events.register({ name: notifier, on: ["created"] });
  for (let index = 0; index < MANY; index += 1) await store.createTask({ name: "render" });
  const taken = (await store.events.take({ notifier, limit: MANY, leaseMs: 60_000 })) ?? [];
  await store.events.settle(
    notifier,
    taken.map(({ lease }) => ({ lease, outcome: "setAside", error: "no address" }) as const),
  );
  const refuse = (before: string, after: number) =>
    database.exec(`CREATE TRIGGER refuse BEFORE ${before} ON mcp_events WHEN OLD.seq > ${after}
      BEGIN SELECT RAISE(ABORT, 'no disk'); END`);
  return { database, store, refuse, mend: () => database.exec("DROP TRIGGER refuse") };
}

async function refusal(call: Promise<unknown>) {
  const { code, write, message, cause } = (await call.then(
    () => expect.unreachable(),
    (error: unknown) => error,
  )) as Record<string, unknown>;
  return { code, write, message, cause: String(cause) };
}

test("removeNotifier", async () => {
  const { database, store, refuse, mend } = await withEvents();
  refuse("DELETE", 120);
  expect(await refusal(store.operations.removeNotifier(notifier))).toMatchObject({
    ...PARTLY,
    message: expect.stringMatching(PARTLY.message),
    cause: expect.stringMatching(PARTLY.cause),
  });
  mend();
  // The registration is gone, and so are its events now.
  expect(await store.operations.removeNotifier(notifier)).toBe(false);
  expect(database.prepare("SELECT count(*) FROM mcp_events").pluck().get()).toBe(0);
});

test("redeliverEvents", async () => {
  const { store, refuse, mend } = await withEvents();
  refuse("UPDATE", 0);
  expect(await refusal(store.operations.redeliverEvents({ notifier, all: true }))).toMatchObject({
    write: "not-applied",
  });
  mend();
  refuse("UPDATE", 120);
  expect(await refusal(store.operations.redeliverEvents({ notifier, all: true }))).toMatchObject({
    ...PARTLY,
    message: expect.stringMatching(PARTLY.message),
    cause: expect.stringMatching(PARTLY.cause),
  });
  mend();
  expect(await store.operations.redeliverEvents({ notifier, all: true })).toBe(50);
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
  expect(await refusal(store.deleteExpired())).toMatchObject({ write: "unknown" });
  database.exec("DROP TRIGGER refuse");
  expect(await store.deleteExpired()).toBe(1);
});
