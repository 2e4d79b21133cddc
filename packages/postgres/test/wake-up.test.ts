import { PostgresTaskStore, type TaskStoreError } from "@mcp-task-store/postgres";
import { expect, onTestFinished, test, vi } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { run } from "./support/process.ts";
import { PostgresProxy } from "./support/proxy.ts";
import { newSchema, poolOf, sql } from "./support/sql.ts";

// Wake-ups by PostgreSQL's notifications, and by polls where none arrive. Core's own poll is too
// slow to interfere.

const database = useDatabase();
const request = { method: "tools/call", params: { name: "grind" } };
type Options = ConstructorParameters<typeof PostgresTaskStore>[0];

function open(options: Options): PostgresTaskStore {
  const store = new PostgresTaskStore({ fallbackPollMs: 600_000, sweepIntervalMs: false, ...options });
  onTestFinished(() => store.close());
  return store;
}

async function newTask(store: PostgresTaskStore): Promise<string> {
  return (await store.createTask({}, 1, request)).taskId;
}

/** The server process ids of listening connections. */
async function listening(): Promise<number[]> {
  const rows = await sql<{ pid: number }>(
    database.url,
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'",
  );
  return rows.map(({ pid }) => pid);
}

async function untilListening(): Promise<number> {
  return vi.waitFor(
    async () => {
      const [pid] = await listening();
      expect(pid).toBeDefined();
      return pid as number;
    },
    { timeout: 10_000, interval: 20 },
  );
}

test("a wait ends when another process changes the task, without polling the tables", async () => {
  const schema = newSchema();
  const store = open({ connectionString: database.url, schema, changePollMs: 2_000_000 });
  const taskId = await newTask(store);
  const waiting = store.waitForTask(taskId);
  await untilListening();
  await run("finish", database.url, schema, taskId);
  expect((await waiting).task.status).toBe("completed");
});

test("all waits share one connection, which is released after the last", async () => {
  const schema = newSchema();
  const store = open({ connectionString: database.url, schema });
  const ids = await Promise.all(Array.from({ length: 20 }, () => newTask(store)));
  const waits = ids.map((taskId) => store.waitForTask(taskId));
  await untilListening();
  expect(await listening()).toHaveLength(1);
  await Promise.all(ids.map((taskId) => store.cancelTask(taskId)));
  await Promise.all(waits);
  await vi.waitFor(async () => expect(await listening()).toEqual([]), { timeout: 10_000, interval: 50 });
});

test("waits survive the loss of the listening connection, and the store listens again", async () => {
  const schema = newSchema();
  const errors: TaskStoreError[] = [];
  const store = open({ connectionString: database.url, schema, onError: (error) => errors.push(error) });
  const other = open({ connectionString: database.url, schema });
  const [first, second] = [await newTask(other), await newTask(other)];
  const seen: string[] = [];
  await store.subscribe(({ task }) => seen.push(task.taskId));
  const waits = [store.waitForTask(first), store.waitForTask(second)] as const;
  const pid = await untilListening();
  await sql(database.url, "SELECT pg_terminate_backend($1)", [pid]);
  await other.cancelTask(first);
  expect((await waits[0]).task.status).toBe("cancelled");
  expect(await untilListening()).not.toBe(pid);
  await other.cancelTask(second);
  expect((await waits[1]).task.status).toBe("cancelled");
  await vi.waitFor(() => expect(seen).toEqual(expect.arrayContaining([first, second])), 10_000);
  expect(errors).toEqual([]);
});

test("the store polls where notifications do not arrive, and reports that once", async () => {
  const schema = newSchema();
  const proxy = await PostgresProxy.start(database.url, { dropNotifications: true });
  onTestFinished(() => proxy.end());
  const errors: TaskStoreError[] = [];
  const store = open({ connectionString: proxy.url, schema, changePollMs: 20, onError: (error) => errors.push(error) });
  const other = open({ connectionString: proxy.url, schema });
  const seen: string[] = [];
  const end = await store.subscribe(({ task }) => seen.push(`${task.taskId} ${task.status}`));
  const taskId = await newTask(other);
  const waiting = store.waitForTask(taskId);
  await other.cancelTask(taskId);
  expect((await waiting).task.status).toBe("cancelled");
  await vi.waitFor(() => expect(seen).toContain(`${taskId} cancelled`), 10_000);
  await vi.waitFor(() => expect(errors).toHaveLength(1), 10_000);
  expect(errors[0]).toMatchObject({ code: "BACKEND_UNAVAILABLE", message: /LISTEN does not work.*every 20 ms/ });
  // The second wait does not retry LISTEN, which has just failed.
  end();
  const next = await newTask(other);
  const again = store.waitForTask(next);
  await other.cancelTask(next);
  await again;
  expect(errors).toHaveLength(1);
  await vi.waitFor(async () => expect(await listening()).toEqual([]), 10_000);
});

test("a wait does not block a pool of one connection", async () => {
  const schema = newSchema();
  const errors: TaskStoreError[] = [];
  const pool = poolOf(database.url, { max: 1 });
  const store = open({ pool, schema, changePollMs: 20, onError: (error) => errors.push(error) });
  const taskId = await newTask(store);
  const waiting = store.waitForTask(taskId);
  await open({ connectionString: database.url, schema }).cancelTask(taskId);
  expect((await waiting).task.status).toBe("cancelled");
  expect(errors).toMatchObject([{ message: /one connection/ }]);
});

test("many changes at once all arrive, even with the longest ids", async () => {
  const schema = newSchema();
  const store = open({ connectionString: database.url, schema });
  const other = open({ connectionString: database.url, schema });
  const seen = new Set<string>();
  await store.subscribe(({ task }) => seen.add(task.taskId));
  await untilListening();
  const ids = Array.from({ length: 200 }, (_, index) => `${index}`.padEnd(512, "\u{20ac}"));
  await Promise.all(ids.map((taskId) => other.createTask({ taskId }, 1, request)));
  await vi.waitFor(() => expect(seen.size).toBe(ids.length), { timeout: 10_000 });
});

test("neither idle connections nor a subscription keeps a process alive", async () => {
  expect(await run("leave", database.url, newSchema())).toEqual({ code: 0, output: "left" });
});
