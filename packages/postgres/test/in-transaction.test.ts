import { randomBytes } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import {
  aesGcm,
  isTaskStoreError,
  PostgresTaskStore,
  type TaskStoreError,
  type TransactionClient,
} from "@mcp-task-store/postgres";
import { drizzle } from "drizzle-orm/node-postgres";
import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { createDatabase, useDatabase } from "../../../tooling/databases/fixtures.ts";
import { prismaOf } from "./support/prisma.ts";
import { useReadme } from "./support/readme.ts";
import { newSchema, poolOf, sql } from "./support/sql.ts";
import { connect, openStore } from "./support/store.ts";

// Tasks that are created in a transaction of the application.

const database = useDatabase();
const readme =
  useReadme<Record<"ofDrizzle" | "ofKysely" | "ofPrisma", (transaction: unknown) => TransactionClient>>(
    "transactions.ts",
  );
const polls = { fallbackPollMs: 600_000, changePollMs: 2_000_000, sweepIntervalMs: false } as const;

/** Runs the body in a transaction of a library, which rolls back if the body throws. */
type Library = (body: (client: TransactionClient) => Promise<void>) => Promise<void>;

async function inPg(client: pg.Client | pg.PoolClient, body: (client: TransactionClient) => Promise<void>) {
  await client.query("BEGIN");
  try {
    await body(client);
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  }
}

const libraries: [string, () => Promise<Library>][] = [
  [
    "pg",
    async () => {
      const client = await connect(database.url);
      return (body) => inPg(client, body);
    },
  ],
  [
    "a pool of pg with parsers of its own",
    async () => {
      const pool = poolOf(database.url, {
        types: { getTypeParser: keepsTexts as pg.CustomTypesConfig["getTypeParser"] },
      });
      return async (body) => {
        const client = await pool.connect();
        await inPg(client, body).finally(() => client.release());
      };
    },
  ],
  [
    "drizzle",
    async () => {
      const db = drizzle(poolOf(database.url));
      return (body) => db.transaction((tx) => body(readme().ofDrizzle(tx)));
    },
  ],
  [
    "Kysely",
    async () => {
      const db = new Kysely({ dialect: new PostgresDialect({ pool: poolOf(database.url) }) });
      return (body) => db.transaction().execute((trx) => body(readme().ofKysely(trx)));
    },
  ],
  [
    "Prisma",
    async () => {
      const prisma = prismaOf(database.url);
      return (body) => prisma.$transaction((tx) => body(readme().ofPrisma(tx)));
    },
  ],
];

/** Everything but a text is what the application wants it to be. */
function keepsTexts(oid: number) {
  return (value: string) => (oid === 25 ? value : `parsed ${value}`);
}

async function refusal(call: Promise<unknown>): Promise<TaskStoreError> {
  const error = await call.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  if (!isTaskStoreError(error)) throw new Error("It was not refused", { cause: error });
  return error;
}

test.each(libraries)("a task made in a transaction of %s exists once it has committed", async (_, make) => {
  const { store } = openStore(database.url, { claimAfterMs: 0 });
  const run = await make();
  let id = "";
  await run(async (client) => {
    const arguments_ = { text: "a \"quoted\" \\ text, 'ü' and \u0000", n: 1.5 };
    const task = await store
      .in(client)
      .createTask({ name: "ship", arguments: arguments_, owner: "alice", ttl: 60_000 });
    expect(task).toMatchObject({ status: "working", ttl: 60_000 });
    id = task.taskId;
    // The second one is without an owner and a ttl.
    await store.in(client).createTask({ method: "app/other", pollInterval: 12.5 });
    expect((await store.listTasks()).tasks).toEqual([]);
  });
  expect((await store.listTasks()).tasks).toHaveLength(2);
  expect(await store.getRecord(id, { owner: "alice" })).toMatchObject({
    request: { params: { name: "ship", arguments: { text: "a \"quoted\" \\ text, 'ü' and \u0000", n: 1.5 } } },
    task: { ttl: 60_000 },
  });
  expect(await store.claimTask({ names: ["ship"] })).toMatchObject({ lease: { taskId: id } });
  expect(await store.claimTask({ names: ["app/other"] })).toMatchObject({
    record: { task: { ttl: null, pollInterval: 12.5 } },
  });
});

test.each(libraries)("a task made in a transaction of %s is gone after a rollback", async (_, make) => {
  const { store } = openStore(database.url, { limits: { activeTasks: 1 } });
  const run = await make();
  let id = "";
  const rolledBack = run(async (client) => {
    id = (await store.in(client).createTask({ name: "ship" })).taskId;
    throw new Error("The order is refused");
  });
  await expect(rolledBack).rejects.toThrow("The order is refused");
  expect(await store.getTask(id)).toBeNull();
  // It does not count any more, and its id is free.
  expect(await store.createTask({ name: "ship", taskId: id })).toMatchObject({ taskId: id });
});

test.each(libraries)("limits count the tasks of a transaction of %s", async (_, make) => {
  const { store } = openStore(database.url, { limits: { activeTasksPerOwner: 1, activeTasks: 2 } });
  const run = await make();
  await run(async (client) => {
    const within = store.in(client);
    await within.createTask({ name: "ship", owner: "alice" });
    expect(await refusal(within.createTask({ name: "ship", owner: "alice" }))).toMatchObject({
      code: "LIMIT_EXCEEDED",
    });
    await within.createTask({ name: "ship" });
    expect(await refusal(within.createTask({ name: "ship", owner: "bob" }))).toMatchObject({ code: "LIMIT_EXCEEDED" });
  });
  expect((await store.listTasks()).tasks).toHaveLength(2);
});

test("subscriptions and workers of every store hear of the task after the commit, without polling", async () => {
  const schema = newSchema();
  const client = await connect(database.url);
  const stores = [0, 1].map(() => openStore(database.url, { ...polls, schema, connectionString: database.url }).store);
  const [store, other] = stores as [PostgresTaskStore, PostgresTaskStore];
  const heard: string[] = [];
  for (const [index, each] of stores.entries()) {
    await each.subscribe(({ task }) => heard.push(`${index} ${task.taskId} ${task.status}`));
    await each.watchClaimable((name) => name && heard.push(`${index} claimable ${name}`));
  }
  await expect
    .poll(
      () =>
        sql(database.url, "SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN %' AND datname = current_database()"),
      { timeout: 10_000 },
    )
    .toHaveLength(2);
  await client.query("BEGIN");
  await store.in(client).createTask({ name: "ship", taskId: "late", claimAfterMs: 0 });
  // A task that is made after it, and committed before it.
  await other.createTask({ name: "early", taskId: "early" });
  await expect.poll(() => heard.toSorted(), { timeout: 10_000 }).toEqual(["0 early working", "1 early working"]);
  await client.query("COMMIT");
  await expect
    .poll(() => heard.slice(2).toSorted(), { timeout: 10_000 })
    .toEqual(["0 claimable ship", "0 late working", "1 claimable ship", "1 late working"]);
});

test("a follower of tasks has a task that commits late, in its place", async () => {
  const { store } = openStore(database.url);
  const client = await connect(database.url);
  await client.query("BEGIN");
  await store.in(client).createTask({ name: "ship", taskId: "first" });
  await store.createTask({ name: "ship", taskId: "second" });
  const end = new AbortController();
  const following = store.operations
    .exportTasks({ follow: true, pollMs: 5, signal: end.signal })
    [Symbol.asyncIterator]();
  const next = async () => (await following.next()).value.taskId as string;
  const first = next();
  await client.query("COMMIT");
  expect([await first, await next()]).toEqual(["first", "second"]);
  end.abort();
});

test("a task has the errors, the limits and the traces of any other", async () => {
  const limits = { ttl: { max: 1000 }, payloadBytes: 1000 };
  const { store } = openStore(database.url, { limits });
  const client = await connect(database.url);
  await store.createTask({ name: "ship", taskId: "taken" });
  await inPg(client, async () => {
    const within = store.in(client);
    expect(await within.createTask({ name: "ship" })).toMatchObject({ ttl: 1000 });
    expect(await refusal(within.createTask({ name: "ship", taskId: "taken" }))).toMatchObject({ code: "TASK_EXISTS" });
    const large = { text: "x".repeat(1000) };
    expect(await refusal(within.createTask({ name: "ship", arguments: large }))).toMatchObject({
      code: "PAYLOAD_TOO_LARGE",
    });
    expect(await refusal(within.createTask({ nam: "ship" } as never))).toMatchObject({ code: "INVALID_ARGUMENT" });
    const operations: unknown[] = [];
    const listener = (message: unknown) => operations.push(message);
    subscribe("tracing:mcp-task-store.create:start", listener);
    await within
      .createTask({ name: "ship" })
      .finally(() => unsubscribe("tracing:mcp-task-store.create:start", listener));
    expect(operations).toMatchObject([{ operation: "create", method: "createTask", name: "ship" }]);
  });
  expect((await store.listTasks()).tasks).toHaveLength(3);
});

test("a creation under a limit waits for the transaction that has created the task before", async () => {
  const { store } = openStore(database.url, { limits: { activeTasks: 1 } });
  const client = await connect(database.url);
  await client.query("BEGIN");
  await store.in(client).createTask({ name: "ship" });
  const outcome = refusal(store.createTask({ name: "ship" }));
  await expect
    .poll(() => sql(database.url, "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"), {
      timeout: 10_000,
    })
    .toHaveLength(1);
  await client.query("COMMIT");
  expect(await outcome).toMatchObject({ code: "LIMIT_EXCEEDED" });
});

test("limits on active tasks refuse a transaction that cannot see the latest tasks", async () => {
  const { store } = openStore(database.url, { limits: { activeTasks: 1 } });
  const client = await connect(database.url);
  for (const level of ["REPEATABLE READ", "SERIALIZABLE"]) {
    await client.query(`BEGIN ISOLATION LEVEL ${level}`);
    const error = await refusal(store.in(client).createTask({ name: "ship" }));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: /READ COMMITTED/ });
    await client.query("COMMIT");
  }
  expect((await store.listTasks()).tasks).toEqual([]);
});

test("a client without a transaction is refused, and a pool", async () => {
  const { store } = openStore(database.url);
  const pool = poolOf(database.url);
  const client = await connect(database.url);
  const ended = await connect(database.url);
  await inPg(ended, async () => void (await store.in(ended).createTask({ name: "ship" })));
  for (const each of [client, ended, pool]) {
    const error = await refusal(store.in(each).createTask({ name: "late" }));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: /no open transaction: send BEGIN first/ });
  }
  const db = new Kysely({ dialect: new PostgresDialect({ pool: poolOf(database.url) }) });
  expect(await refusal(store.in(readme().ofKysely(db)).createTask({ name: "late" }))).toMatchObject({
    message: /no open transaction/,
  });
  expect((await store.listTasks()).tasks).toHaveLength(1);
});

test("a client of another database is refused, and its transaction goes on", async () => {
  const schema = newSchema();
  const { store } = openStore(database.url, { schema, connectionString: database.url });
  const other = await createDatabase(database.url);
  onTestFinished(() => other.drop());
  const client = new pg.Client({ connectionString: other.url });
  await client.connect();
  const attempt = async () => {
    await client.query("BEGIN; CREATE TABLE IF NOT EXISTS orders (id int); INSERT INTO orders VALUES (1)");
    const error = await refusal(store.in(client).createTask({ name: "ship" }));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: /another database than the store/ });
    await client.query("COMMIT");
  };
  // Without the store's tables, and with those of another store.
  await attempt();
  const there = new PostgresTaskStore({ connectionString: other.url, schema });
  await there.listTasks();
  await attempt();
  expect((await there.listTasks()).tasks).toEqual([]);
  expect((await client.query("SELECT FROM orders")).rows).toHaveLength(2);
  await there.close();
  await client.end();
});

test("a transaction that has failed is refused", async () => {
  const { store } = openStore(database.url);
  const client = await connect(database.url);
  await store.listTasks();
  await client.query("BEGIN");
  await client.query("SELECT 1 / 0").catch(() => undefined);
  expect(await refusal(store.in(client).createTask({ name: "ship" }))).toMatchObject({
    code: "BACKEND_UNAVAILABLE",
    message: /transaction has failed/,
    cause: { code: "25P02" },
  });
  const db = drizzle(poolOf(database.url));
  const failed = db.transaction(async (tx) => {
    await tx.execute("SELECT 1 / 0").catch(() => undefined);
    await store.in(readme().ofDrizzle(tx)).createTask({ name: "ship" });
  });
  expect(await refusal(failed)).toMatchObject({ message: /transaction has failed/, cause: { code: "25P02" } });
});

test.each<[what: string, client: () => unknown]>([
  ["nothing", () => undefined],
  ["a URL", () => "postgres://unused"],
  ["a database of drizzle", () => drizzle(poolOf(database.url))],
  ["a database of Kysely", () => new Kysely({ dialect: new PostgresDialect({ pool: poolOf(database.url) }) })],
  ["a pool's callback", () => ({ connect: () => undefined })],
])("%s is no client, and in() says what it needs", (_, make) => {
  const { store } = openStore(database.url);
  expect(() => store.in(make() as never)).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining("query(text, values)") }),
  );
});

test("a client whose query() gives no rows is refused, and a store that was closed", async () => {
  const { store } = openStore(database.url);
  for (const given of [undefined, [], {}]) {
    const client = { query: async () => given as never };
    expect(await refusal(store.in(client).createTask({ name: "ship" }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: /resolve to an object with rows/,
    });
  }
  const client = await connect(database.url);
  const within = store.in(client);
  await store.close();
  expect(await refusal(within.createTask({ name: "ship" }))).toMatchObject({ code: "STORE_CLOSED" });
});

test("a task that is created in a transaction is encrypted", async () => {
  const { store, tables } = openStore(database.url, {
    codec: { encrypt: aesGcm({ keys: { one: randomBytes(32) }, current: "one" }) },
  });
  const client = await connect(database.url);
  let taskId = "";
  await inPg(client, async (transaction) => {
    ({ taskId } = await store.in(transaction).createTask({ name: "ship", arguments: { word: "hunter2" } }));
  });
  const [row] = await sql<{ request: string }>(database.url, `SELECT request FROM ${tables}.tasks`);
  expect(row?.request).toMatch(/^~aes-gcm\|one\|/);
  expect(await store.getRecord(taskId)).toMatchObject({ request: { params: { arguments: { word: "hunter2" } } } });
});
