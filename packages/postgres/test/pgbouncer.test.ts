import { PostgresTaskStore, type PostgresTaskStoreOptions, type TaskStoreError } from "@mcp-task-store/postgres";
import { describe, expect, onTestFinished, test } from "vitest";
import { createDatabase, useDatabase } from "../../../tooling/databases/fixtures.ts";
import { noPgBouncer, usePgBouncer } from "./support/pgbouncer.ts";
import { PostgresProxy } from "./support/proxy.ts";
import { newSchema, poolOf, sql } from "./support/sql.ts";
import { connect, recordingPool } from "./support/store.ts";

// Stores behind PgBouncer in transaction mode. Core's own poll is too slow to interfere.

const database = useDatabase();
const pooled = usePgBouncer(database);

function open(options: PostgresTaskStoreOptions): { store: PostgresTaskStore; errors: TaskStoreError[] } {
  const errors: TaskStoreError[] = [];
  const onError = (error: TaskStoreError) => void errors.push(error);
  const store = new PostgresTaskStore({ fallbackPollMs: 600_000, sweepIntervalMs: false, onError, ...options });
  onTestFinished(() => store.close());
  return { store, errors };
}

const NEVER = 2_000_000;

function listening(): Promise<unknown[]> {
  const query = "query LIKE 'LISTEN %' AND datname = current_database()";
  return sql(database.url, `SELECT FROM pg_stat_activity WHERE ${query}`);
}

/** The task ends in the other store while this one waits for it. Neither polls. */
async function wakesUp(store: PostgresTaskStore, other: PostgresTaskStore): Promise<void> {
  const { taskId } = await store.createTask({ name: "grind", claimAfterMs: 0 });
  const result = store.waitForResult(taskId);
  const claimed = await other.claimTask({ names: ["grind"] });
  expect(claimed).toMatchObject({ lease: { taskId, attempt: 1 } });
  await other.updateTask(taskId, { statusMessage: "half" }, { lease: claimed?.lease });
  await other.finishTask(taskId, { status: "completed", result: { done: true } }, { lease: claimed?.lease });
  expect(await result).toEqual({ done: true });
}

describe.skipIf(noPgBouncer)("behind PgBouncer in transaction mode", () => {
  test.each([
    ["listenConnectionString", (url: string) => ({ listenConnectionString: url })],
    ["listenPool", (url: string) => ({ listenPool: poolOf(url) })],
    ["listenPool of one connection", (url: string) => ({ listenPool: poolOf(url, { max: 1 }) })],
  ])("a store with %s hears of every change without polling", async (_, direct) => {
    const place = { connectionString: pooled.url, schema: newSchema(), changePollMs: NEVER };
    const [{ store, errors }, { store: other }] = [open({ ...place, ...direct(database.url) }), open(place)];
    const stop = await store.subscribe(() => undefined);
    await expect.poll(listening, { timeout: 10_000 }).toHaveLength(1);
    await Promise.all(Array.from({ length: 10 }, () => wakesUp(store, other)));
    expect(errors).toEqual([]);
    stop();
    await expect.poll(listening, { timeout: 10_000 }).toHaveLength(0);
  });

  test("a store without them polls, and says once what would help", async () => {
    const place = { connectionString: pooled.url, schema: newSchema(), changePollMs: 20 };
    const [{ store, errors }, { store: other }] = [open(place), open(place)];
    await wakesUp(store, other);
    await store.subscribe(() => undefined);
    await expect.poll(() => errors, { timeout: 10_000 }).toHaveLength(1);
    expect(errors).toMatchObject([{ code: "BACKEND_UNAVAILABLE", message: /pooler.*listenConnectionString/ }]);
    await wakesUp(store, other);
    expect(errors).toHaveLength(1);
  });

  test.each([
    ["the pooler", async () => pooled.url],
    [
      "another database",
      async () => {
        const other = await createDatabase(database.url);
        onTestFinished(() => other.drop());
        return other.url;
      },
    ],
  ])("a listenConnectionString that leads to %s is reported, and the store polls", async (_, where) => {
    const place = { connectionString: pooled.url, schema: newSchema(), changePollMs: 20 };
    const [{ store, errors }, { store: other }] = [
      open({ ...place, listenConnectionString: await where() }),
      open(place),
    ];
    const stop = await store.subscribe(() => undefined);
    await expect.poll(() => errors, { timeout: 10_000 }).toHaveLength(1);
    expect(errors).toMatchObject([{ message: /address for LISTEN leads to another database, or to a pooler/ }]);
    await wakesUp(store, other);
    stop();
    await store.close();
  });

  test("a listenConnectionString without a database is reported, and the store listens once there is one", async () => {
    const proxy = await PostgresProxy.start(database.url);
    onTestFinished(() => proxy.end());
    await proxy.end();
    const place = { connectionString: pooled.url, schema: newSchema(), changePollMs: 20 };
    const { store, errors } = open({ ...place, listenConnectionString: proxy.url });
    await store.subscribe(() => undefined);
    await expect.poll(() => errors, { timeout: 10_000 }).toHaveLength(1);
    expect(errors).toMatchObject([
      { code: "BACKEND_UNAVAILABLE", message: /LISTEN does not work: its connection failed/, cause: { message: /./ } },
    ]);
    expect(errors[0]?.message).not.toMatch(/\d+\.\d+\.\d+\.\d+/);
    await wakesUp(store, open(place).store);
    await proxy.begin();
    await expect.poll(listening, { timeout: 10_000 }).toHaveLength(1);
    expect(errors).toHaveLength(1);
  });

  test("calls made at once still go together, as statements without a name", async () => {
    const schema = newSchema();
    const { pool, sent } = recordingPool(pooled.url);
    const { store } = open({ pool, schema });
    const { store: other } = open({ connectionString: pooled.url, schema });
    // Two clients prepare the same statements on a connection of the server that they share.
    for (const each of [other, store]) await each.listTasks();
    sent.length = 0;
    await Promise.all(Array.from({ length: 8 }, () => store.createTask({ name: "grind" })));
    expect((await store.listTasks()).tasks).toHaveLength(8);
    expect(sent.some(({ results }) => results.length > 1)).toBe(true);
  });

  test("a task is part of a transaction of the application", async () => {
    const { store } = open({ connectionString: pooled.url, schema: newSchema() });
    const client = await connect(pooled.url);
    await expect(store.in(client).createTask({ name: "grind" })).rejects.toMatchObject({
      message: /no open transaction/,
    });
    for (const end of ["ROLLBACK", "COMMIT"]) {
      await client.query("BEGIN");
      await store.in(client).createTask({ name: "grind", taskId: end });
      await client.query(end);
    }
    expect((await store.listTasks()).tasks).toMatchObject([{ taskId: "COMMIT" }]);
  });
});

test("a store refuses options for LISTEN that have no effect", () => {
  const given = {
    connectionString: "postgres://127.0.0.1:1/none",
    listenConnectionString: "postgres://127.0.0.1:1/none",
  };
  expect(() => new PostgresTaskStore({ ...given, listen: false })).toThrow(
    /listenConnectionString has no effect beside listen/,
  );
  expect(() => new PostgresTaskStore({ ...given, listenPool: poolOf(given.connectionString) })).toThrow(
    /listenConnectionString has no effect beside listenPool/,
  );
  expect(() => new PostgresTaskStore({ ...given, listenPool: "pool" as never })).toThrow(
    /listenPool must be a Pool of pg/,
  );
});
