import { PostgresTaskStore, type PostgresTaskStoreOptions } from "@mcp-task-store/postgres";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { TcpProxy } from "../../../tooling/databases/proxy.ts";
import { expectOnlyRefusedCallsToFail } from "../../../tooling/test/fixtures/refused-calls.ts";
import { PostgresProxy } from "./support/proxy.ts";
import { newSchema, sql } from "./support/sql.ts";
import { connect, openStore, recordingPool } from "./support/store.ts";

const database = useDatabase();
const request = { method: "tools/call", params: { name: "grind" } };

/** A store that closes with the test, and its quoted schema. */
const open = (options: PostgresTaskStoreOptions = {}) => openStore(database.url, options);
const connected = () => connect(database.url);

test.each([1, 4])("one refused call fails no other call made with it, over %d connections", async (maxConnections) => {
  const schema = `together_${maxConnections}`;
  const store = new PostgresTaskStore({ connectionString: database.url, schema, maxConnections });
  onTestFinished(() => store.close());
  for (const taskId of ["a", "b"]) await store.createTask({ taskId }, 1, request);
  await sql(
    database.url,
    `CREATE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
       CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON ${schema}.tasks
         FOR EACH ROW WHEN (new.task_id = 'b') EXECUTE FUNCTION ${schema}.refuse();
       CREATE TRIGGER refuse BEFORE INSERT ON ${schema}.task_messages
         FOR EACH ROW WHEN (new.task_id = 'b') EXECUTE FUNCTION ${schema}.refuse()`,
  );
  await expectOnlyRefusedCallsToFail(store);
  const { tasks } = await store.listTasks();
  expect(new Map(tasks.map(({ taskId, status }) => [taskId, status]))).toEqual(
    new Map([
      ["a", "completed"],
      ["b", "working"],
      ["c", "working"],
      ["d", "working"],
    ]),
  );
  expect(await store.messages.dequeueAll("b")).toEqual([]);
});

test.each<[string, string, PostgresTaskStoreOptions["limits"]]>([
  ["that exists", "taken", {}],
  ["that the database refuses", "refused", {}],
  ["that the database refuses within a transaction", "refused", { activeTasks: 100 }],
  ["that a cap refuses", "new", { activeTasksPerOwner: 1 }],
])("creations made after one %s are listed in the order of the calls", async (_, taskId, limits) => {
  const schema = newSchema();
  const tables = `"${schema.replaceAll('"', '""')}"`;
  const store = new PostgresTaskStore({ connectionString: database.url, schema, limits, pageSize: 100 });
  onTestFinished(() => store.close());
  await store.createTask({ taskId: "taken" }, 1, request, { owner: "ada" });
  await sql(
    database.url,
    `CREATE FUNCTION ${tables}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
     CREATE TRIGGER refuse BEFORE INSERT ON ${tables}.tasks
       FOR EACH ROW WHEN (new.task_id = 'refused') EXECUTE FUNCTION ${tables}.refuse()`,
  );
  const create = (id: string, owner = id) => store.createTask({ taskId: id }, 1, request, { owner });
  const ids = Array.from({ length: 30 }, (_, index) => `${index}`);
  const [first = "", ...others] = ids;
  // The first call runs alone. The others wait for it, the refused one first.
  const calls = [create(first), create(taskId, "ada"), ...others.map((id) => create(id))];
  const settled = await Promise.allSettled(calls);
  expect(settled.flatMap(({ status }, index) => (status === "rejected" ? [index] : []))).toEqual([1]);
  const { tasks } = await store.listTasks();
  expect(tasks.map((task) => task.taskId)).toEqual(["taken", ...ids]);
});

test("a row lock of another transaction delays the calls on that task only", async () => {
  const schema = newSchema();
  const tables = `"${schema.replaceAll('"', '""')}"`;
  const store = new PostgresTaskStore({ connectionString: database.url, schema });
  onTestFinished(() => store.close());
  const ids = Array.from({ length: 40 }, (_, index) => `${index}`);
  await Promise.all(ids.map((taskId) => store.createTask({ taskId }, 1, request)));
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  onTestFinished(() => client.end());
  await client.query(`BEGIN; SELECT FROM ${tables}.tasks WHERE task_id IN ('7', '21') FOR UPDATE`);
  const locked = new Set(["7", "21"]);
  const ended: string[] = [];
  const update = async (taskId: string, statusMessage: string) => {
    await store.updateTask(taskId, { statusMessage });
    ended.push(`${taskId} ${statusMessage}`);
  };
  const waiting = ids.flatMap((taskId) => [update(taskId, "first"), update(taskId, "second")]);
  // All other calls end while the rows are locked.
  await Promise.all(waiting.filter((_, index) => !locked.has(ids[index >> 1] as string)));
  await store.createTask({ taskId: "later" }, 1, request);
  await update("later", "only");
  expect((await store.getTask("7"))?.statusMessage).toBeUndefined();
  expect(ended.some((each) => locked.has(each.split(" ")[0] as string))).toBe(false);
  await client.query("COMMIT");
  await Promise.all(waiting);
  for (const taskId of ids) {
    expect((await store.getTask(taskId))?.statusMessage).toBe("second");
    expect(ended.filter((each) => each.startsWith(`${taskId} `))).toEqual([`${taskId} first`, `${taskId} second`]);
  }
});

test("a lone call that waits for a lock delays no later call", async () => {
  const schema = newSchema();
  const tables = `"${schema.replaceAll('"', '""')}"`;
  const store = new PostgresTaskStore({ connectionString: database.url, schema });
  onTestFinished(() => store.close());
  const ids = ["locked", ...Array.from({ length: 10 }, (_, index) => `${index}`)];
  for (const taskId of ids) await store.createTask({ taskId }, 1, request);
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  onTestFinished(() => client.end());
  await client.query(`BEGIN; SELECT FROM ${tables}.tasks WHERE task_id = 'locked' FOR UPDATE`);
  const alone = store.updateTask("locked", { statusMessage: "first" });
  // The call is under way by then.
  await expect
    .poll(() =>
      sql(database.url, "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"),
    )
    .toHaveLength(1);
  for (const taskId of ids.slice(1)) await store.updateTask(taskId, { statusMessage: "done" });
  const behind = store.updateTask("locked", { statusMessage: "second" });
  expect((await store.getTask("locked"))?.statusMessage).toBeUndefined();
  await client.query("COMMIT");
  await Promise.all([alone, behind]);
  expect((await store.getTask("locked"))?.statusMessage).toBe("second");
});

test("the writes to a locked task keep their order", async () => {
  const { store, tables } = open();
  await store.createTask({ taskId: "locked" }, 1, request);
  await store.createTask({ taskId: "other" }, 1, request);
  const client = await connected();
  await client.query(`BEGIN; SELECT FROM ${tables}.tasks WHERE task_id = 'locked' FOR UPDATE`);
  const applied: string[] = [];
  const update = async (taskId: string, statusMessage: string) => {
    await store.updateTask(taskId, { statusMessage });
    if (taskId === "locked") applied.push(statusMessage);
  };
  const waiting: Promise<void>[] = [];
  // Each goes out while those before it wait, alone and in batches with a call that passes.
  for (const step of ["1", "2", "3", "4"]) {
    waiting.push(update("locked", step));
    await update("other", step);
    waiting.push(update("locked", `${step} again`));
    await Promise.all([update("other", "a"), update("other", "b")]);
  }
  await client.query("COMMIT");
  await Promise.all(waiting);
  expect(applied).toEqual(["1", "1 again", "2", "2 again", "3", "3 again", "4", "4 again"]);
  expect((await store.getTask("locked"))?.statusMessage).toBe("4 again");
});

test("creations keep their order while an index is being built", async () => {
  const { store, tables } = open({ pageSize: 100 });
  await store.createTask({ taskId: "first" }, 1, request);
  const client = await connected();
  await client.query(`BEGIN; LOCK TABLE ${tables}.tasks IN SHARE MODE`);
  const ids = Array.from({ length: 40 }, (_, index) => `${index}`);
  const creating = ids.map((taskId) => store.createTask({ taskId }, 1, request));
  await expect
    .poll(() =>
      sql(database.url, "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"),
    )
    .not.toHaveLength(0);
  const later = ["a", "b"].map((taskId) => store.createTask({ taskId }, 1, request));
  await client.query("COMMIT");
  await Promise.all([...creating, ...later]);
  const { tasks } = await store.listTasks();
  expect(tasks.map(({ taskId }) => taskId)).toEqual(["first", ...ids, "a", "b"]);
});

test("no call waits for the timeouts of others while the database is silent", async () => {
  const proxy = await PostgresProxy.start(database.url);
  onTestFinished(() => proxy.end());
  const store = new PostgresTaskStore({
    connectionString: proxy.url,
    schema: newSchema(),
    connectTimeoutMs: 1000,
    statementTimeoutMs: 1000,
    maxConnections: 3,
  });
  onTestFinished(() => store.close());
  await store.createTask({ taskId: "a" }, 1, request);
  proxy.pause();
  let failed = 0;
  const calls = Array.from({ length: 600 }, async (_, index) => {
    const call = [
      () => store.createTask({ taskId: `new ${index}` }, 1, request),
      () => store.updateTask("a", { statusMessage: `${index}` }),
      () => store.getTask("a"),
      () => store.claimTask({ names: ["grind"] }),
    ][index % 4] as () => Promise<unknown>;
    await expect(call()).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
    failed += 1;
  });
  await Promise.all(calls);
  expect(failed).toBe(600);
  proxy.resume();
  // On a busy machine the next connection may take longer than the store waits for it.
  await expect.poll(() => store.getTask("a").catch(() => null)).toMatchObject({ status: "working" });
});

test("close waits for every started call", async () => {
  const { store, tables } = open({ limits: { activeTasks: 100 }, claimAfterMs: 0 });
  for (const taskId of ["a", "b"]) await store.createTask({ taskId, name: "grind" });
  const client = await connected();
  await client.query(`BEGIN; LOCK TABLE ${tables}.tasks IN ACCESS EXCLUSIVE MODE`);
  const told: string[] = [];
  const calls = [
    store.claimTask({ names: ["grind"] }),
    store.createTask({ taskId: "c", name: "grind" }),
    store.updateTask("a", { statusMessage: "half" }),
    store.getTask("a"),
  ].map((call, index) => call.then(() => told.push(`${index}`)));
  await expect
    .poll(() =>
      sql(database.url, "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"),
    )
    .not.toHaveLength(0);
  // These queue behind the others.
  calls.push(
    store.claimTask({ names: ["grind"] }).then(() => told.push("4")),
    store.createTask({ taskId: "d", name: "grind" }).then(() => told.push("5")),
  );
  await new Promise(setImmediate);
  const closing = store.close().then(() => told.push("closed"));
  await client.query("COMMIT");
  await Promise.all([...calls, closing]);
  expect(told.at(-1)).toBe("closed");
});

test("a call whose connection is cut before its answer is unknown, and done at most once", async () => {
  const schema = newSchema();
  const proxy = await TcpProxy.start(database.url);
  const store = new PostgresTaskStore({ connectionString: proxy.url, schema, maxConnections: 4 });
  const direct = new PostgresTaskStore({ connectionString: database.url, schema });
  onTestFinished(async () => {
    await Promise.all([store.close(), direct.close()]);
    await proxy.begin();
  });
  // More than a batch takes.
  const ids = Array.from({ length: 100 }, (_, index) => `${index}`);
  await Promise.all(ids.map((taskId) => store.createTask({ taskId }, 1, request)));
  // Opens the connections that the batches need. Otherwise the proxy may harm a new one, and the
  // store would know that nothing was applied.
  await Promise.all(ids.map((taskId) => store.getTask(taskId)));
  const revisions = new Map<string, number>();
  for (const taskId of ids) revisions.set(taskId, (await direct.getRecord(taskId))?.revision ?? 0);
  proxy.harmNext("lose an answer");
  const settled = await Promise.allSettled(ids.map((taskId) => store.updateTask(taskId, { statusMessage: "once" })));
  let unknown = 0;
  for (const [index, each] of settled.entries()) {
    const record = await direct.getRecord(ids[index] as string);
    const changes = (record?.revision ?? 0) - (revisions.get(ids[index] as string) ?? 0);
    if (each.status === "fulfilled") expect(changes).toBe(1);
    else {
      unknown += 1;
      expect(each.reason).toMatchObject({ code: "BACKEND_UNAVAILABLE", write: "unknown" });
      expect(changes).toBeLessThanOrEqual(1);
    }
  }
  // Only those of one batch.
  expect(unknown).toBeGreaterThan(1);
  expect(unknown).toBeLessThan(ids.length);
  expect(proxy.harmed).toBe(1);
  await store.updateTask("0", { statusMessage: "again" });
  expect((await direct.getTask("0"))?.statusMessage).toBe("again");
});

test("a batch answers few payloads, and reads without payloads do not wait for them", async () => {
  const { pool, sent } = recordingPool(database.url);
  const { store } = open({ pool, claimAfterMs: 0 });
  const ids = Array.from({ length: 50 }, (_, index) => `${index}`);
  await Promise.all(ids.map((taskId) => store.createTask({ taskId, name: "grind" })));
  /** The tasks that each batch answers, sorted. */
  const batchesOf = async (calls: () => Promise<unknown>[]) => {
    sent.length = 0;
    await Promise.all(calls());
    const batches = sent.flatMap(({ results }) => {
      // A claim that finds nothing answers a row without a task.
      const rows = results.flatMap((result) => result.rows).filter((row) => row["taskId"] != null);
      const payloads = rows.filter((row) => "request" in row).length;
      return rows.length > 0 ? [`${payloads} with payloads, ${rows.length - payloads} without`] : [];
    });
    return batches.sort();
  };
  expect(await batchesOf(() => ids.flatMap((id) => [store.getTask(id), store.getRecord(id)]))).toEqual([
    "0 with payloads, 50 without",
    "18 with payloads, 0 without",
    "32 with payloads, 0 without",
  ]);
  const claimBeside = (limit: number) =>
    batchesOf(() => [store.updateTask("0", { statusMessage: "half" }), store.claimTasks({ names: ["grind"], limit })]);
  expect(await claimBeside(32)).toEqual(["32 with payloads, 1 without"]);
  expect(await claimBeside(33)).toEqual(["0 with payloads, 1 without", "18 with payloads, 0 without"]);
});
