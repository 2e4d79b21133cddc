import { startNotifier, type TaskEvent } from "@mcp-task-store/core";
import { migrate, PostgresBackend, PostgresTaskStore } from "@mcp-task-store/postgres";
import { expect, onTestFinished, test, vi } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { newSchema, poolOf, sql } from "./support/sql.ts";

const database = useDatabase();
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
const TRIGGERS = "SELECT tgname FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal ORDER BY tgname";

function triggersOf(schema: string): Promise<unknown[]> {
  return sql(database.url, TRIGGERS, [`${quoted(schema)}.tasks`]);
}

test("a change whose transaction commits after later changes were delivered is delivered, too", async () => {
  const pool = poolOf(database.url);
  const schema = newSchema();
  const store = new PostgresTaskStore({ pool, schema });
  onTestFinished(() => store.close());
  const events: TaskEvent[] = [];
  const notifier = startNotifier(store, {
    name: "late",
    on: ["created", "progress", "end"],
    pollMs: 5,
    deliver: (event) => void events.push(event),
  });
  onTestFinished(() => notifier.stop());
  await notifier.registered();
  const ids = [await store.createTask({ name: "grind" }), await store.createTask({ name: "grind" })];
  const [slow, quick] = ids.map(({ taskId }) => taskId) as [string, string];
  await vi.waitFor(() => expect(events).toHaveLength(2), 30_000);
  // The time and the number of this change are drawn here.
  const writer = await pool.connect();
  await writer.query("BEGIN");
  await writer.query(
    `UPDATE ${quoted(schema)}.tasks SET revision = revision + 1, status_message = '"late"',
      updated_at = floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint WHERE task_id = $1`,
    [slow],
  );
  // This one begins later, and commits first.
  await store.cancelTask(quick);
  await vi.waitFor(() => expect(events).toHaveLength(3), 30_000);
  await writer.query("COMMIT");
  writer.release();
  await store.cancelTask(slow);
  await vi.waitFor(() => expect(events).toHaveLength(5), 30_000);
  expect(events.slice(2).map(({ kind, task }) => [kind, task.taskId, task.statusMessage])).toEqual([
    ["end", quick, "The task was cancelled."],
    ["progress", slow, "late"],
    ["end", slow, "The task was cancelled."],
  ]);
  expect(Date.parse(events[3]?.at ?? "")).toBeLessThanOrEqual(Date.parse(events[2]?.at ?? ""));
});

test("a change that is rolled back has no event", async () => {
  const pool = poolOf(database.url);
  const schema = newSchema();
  const store = new PostgresTaskStore({ pool, schema });
  onTestFinished(() => store.close());
  await store.events.register({ name: "all", on: ["created", "progress"] });
  const { taskId } = await store.createTask({ name: "grind" });
  const writer = await pool.connect();
  await writer.query(`BEGIN; UPDATE ${quoted(schema)}.tasks SET revision = revision + 1; ROLLBACK`);
  writer.release();
  const { events } = await store.operations.listEvents({ notifier: "all" });
  expect(events.map(({ kind, task }) => [kind, task.taskId])).toEqual([["created", taskId]]);
});

test("the table of tasks has triggers while there is a notifier, however many stores register at once", async () => {
  const pool = poolOf(database.url, { max: 20 });
  const schema = newSchema();
  const stores = Array.from({ length: 10 }, () => new PostgresTaskStore({ pool, schema, listen: false }));
  onTestFinished(async () => void (await Promise.all(stores.map((store) => store.close()))));
  const [store] = stores as [PostgresTaskStore];
  await store.createTask({ name: "grind" });
  expect(await triggersOf(schema)).toEqual([]);
  const both = [{ tgname: "task_event_of_insert" }, { tgname: "task_event_of_update" }];
  for (const round of [1, 2]) {
    await Promise.all([
      ...stores.map((each, index) => each.events.register({ name: `notifier ${index % 3}`, on: ["end"] })),
      ...stores.map((each) => each.createTask({ name: "grind" })),
    ]);
    expect(await triggersOf(schema), `round ${round}`).toEqual(both);
    await store.operations.removeNotifier("notifier 0");
    expect(await triggersOf(schema)).toEqual(both);
    await Promise.all([
      ...stores.map((each, index) => each.operations.removeNotifier(`notifier ${index % 3}`)),
      ...stores.map((each) => each.createTask({ name: "grind" })),
    ]);
    expect(await triggersOf(schema)).toEqual([]);
    expect(await sql(database.url, `SELECT FROM ${quoted(schema)}.task_events`)).toEqual([]);
  }
});

test("a registration that waits for the table lets calls of other processes pass", async () => {
  const pool = poolOf(database.url);
  const schema = newSchema();
  const store = new PostgresTaskStore({ pool, schema });
  onTestFinished(() => store.close());
  const { taskId } = await store.createTask({ name: "grind" });
  const writer = await pool.connect();
  await writer.query(`BEGIN; LOCK TABLE ${quoted(schema)}.tasks IN ROW EXCLUSIVE MODE`);
  const registered = store.events.register({ name: "all", on: ["end"] });
  const waits = `SELECT FROM pg_locks WHERE NOT granted AND relation = '${quoted(schema)}.tasks'::regclass`;
  await vi.waitFor(async () => expect(await sql(database.url, waits)).toHaveLength(1), 30_000);
  await store.cancelTask(taskId);
  await writer.query("COMMIT");
  writer.release();
  await registered;
  expect(await triggersOf(schema)).toHaveLength(2);
});

test("a role that only runs stores can register and remove notifiers", async () => {
  const pool = poolOf(database.url);
  const schema = newSchema();
  const role = `runner_${process.pid}`;
  await migrate(pool, { schema });
  await pool.query(`CREATE ROLE ${role}`);
  await pool.query(`GRANT USAGE ON SCHEMA ${quoted(schema)} TO ${role}`);
  await pool.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${quoted(schema)} TO ${role}`);
  await pool.query(`GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${quoted(schema)} TO ${role}`);
  const restricted = poolOf(database.url, { max: 4, options: `-c role=${role}` });
  const store = new PostgresTaskStore({ pool: restricted, schema, migrate: false });
  onTestFinished(async () => {
    await store.close();
    await pool.query(`DROP SCHEMA ${quoted(schema)} CASCADE`);
    await pool.query(`DROP ROLE ${role}`);
  });
  await store.events.register({ name: "all", on: ["created"] });
  await store.createTask({ name: "grind" });
  expect(await store.events.take({ notifier: "all", limit: 5, leaseMs: 60_000 })).toHaveLength(1);
  expect(await store.operations.removeNotifier("all")).toBe(true);
  expect(await triggersOf(schema)).toEqual([]);
});

test("the first event that waits comes next, whatever plan the database has", async () => {
  const schema = newSchema();
  const store = new PostgresTaskStore({ connectionString: database.url, schema });
  onTestFinished(() => store.close());
  await store.events.register({ name: "all", on: ["created", "progress", "end"] });
  const { taskId } = await store.createTask({ name: "grind" });
  await store.updateTask(taskId, { statusMessage: "half-way" });
  await store.cancelTask(taskId);
  const next = async () => {
    const [taken] = (await store.events.take({ notifier: "all", limit: 10, leaseMs: 60_000 })) ?? [];
    return taken ?? expect.fail("There was no event");
  };
  const aside = await next();
  await store.events.settle("all", [{ lease: aside.lease, outcome: "setAside", error: "no" }]);
  await store.operations.redeliverEvents({ notifier: "all", all: true });
  const kinds: string[] = [];
  for (let count = 0; count < 3; count += 1) {
    const { lease, event } = await next();
    kinds.push(event.kind);
    // The second event was written after the third one. A scan of so small a table finds it last.
    await sql(database.url, `ANALYZE ${quoted(schema)}.task_events`);
    await store.events.settle("all", [{ lease, outcome: "delivered" }]);
  }
  expect(kinds).toEqual(["created", "progress", "end"]);
});

test("events that wait behind others are looked at once, and come up in their turn", async () => {
  const pool = poolOf(database.url);
  const schema = newSchema();
  const backend = new PostgresBackend({ pool, schema, listen: false });
  await backend.open({ report: () => undefined });
  onTestFinished(() => backend.close());
  await backend.events.register("all", ["progress"]);
  const events = `${quoted(schema)}.task_events`;
  // Ten tasks with a thousand events each, which all are due.
  await pool.query(
    `INSERT INTO ${events} (due_at, at, revision, notifier, kind, task_id, name, status)
      SELECT 1, 1, i, 'all', 'progress', 'task' || i % 10, 'grind', 'working' FROM generate_series(1, 10000) AS i`,
  );
  const first = await backend.events.take("all", 10, 60_000);
  expect(first?.map(({ revision }) => revision)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(await backend.events.take("all", 10, 60_000)).toEqual([]);
  const { rows } = await pool.query(`SELECT count(*)::int FROM ${events} WHERE due_at IS NULL`);
  expect(rows).toEqual([{ count: 9990 }]);
  await backend.events.settle(
    "all",
    (first ?? []).map(({ seq, token }) => ({ seq, token, becomes: "delete", error: null })),
  );
  expect((await backend.events.take("all", 100, 60_000))?.map(({ revision }) => revision)).toEqual([
    11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
  ]);
});
