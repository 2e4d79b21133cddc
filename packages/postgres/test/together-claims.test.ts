import { startWorker } from "@mcp-task-store/core";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { expect, onTestFinished, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { TcpProxy } from "../../../tooling/databases/proxy.ts";
import { newSchema, sql } from "./support/sql.ts";
import { connect, openStore, recordingPool, type SentTogether } from "./support/store.ts";

const database = useDatabase();

test("a worker's outcome and its next claim share a transaction", async () => {
  const { store, tables } = openStore(database.url, { claimAfterMs: 0 });
  for (const taskId of ["first", "second"]) await store.createTask({ taskId, name: "grind" });
  const { promise: seen, resolve } = Promise.withResolvers<unknown[]>();
  const worker = startWorker(store, {
    grind: async ({ taskId }) => {
      if (taskId === "second")
        resolve(await sql(database.url, `SELECT status, xmin FROM ${tables}.tasks ORDER BY position`));
      return {};
    },
  });
  const [first, second] = (await seen) as { status: string; xmin: string }[];
  await worker.stop();
  expect(first?.status).toBe("completed");
  expect(second?.xmin).toBe(first?.xmin);
});

test("a claim made with a call that the database refuses takes each task once", async () => {
  const { store, tables } = openStore(database.url, { claimAfterMs: 0 });
  await store.createTask({ taskId: "refused", name: "other" });
  for (const taskId of ["a", "b"]) await store.createTask({ taskId, name: "grind" });
  await sql(
    database.url,
    `CREATE FUNCTION ${tables}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
     CREATE TRIGGER refuse BEFORE UPDATE ON ${tables}.tasks
       FOR EACH ROW WHEN (new.task_id = 'refused') EXECUTE FUNCTION ${tables}.refuse()`,
  );
  const [update, claim] = await Promise.allSettled([
    store.updateTask("refused", { statusMessage: "no" }),
    store.claimTask({ names: ["grind"] }),
  ]);
  expect(update.status).toBe("rejected");
  expect(claim).toMatchObject({ value: { lease: { taskId: "a", attempt: 1 } } });
  expect(await sql(database.url, `SELECT attempt FROM ${tables}.tasks ORDER BY position`)).toEqual(
    [0, 1, 0].map((attempt) => ({ attempt })),
  );
});

test("a claim made with calls on locked tasks is not held up, and one that is locked is skipped", async () => {
  const { store, tables } = openStore(database.url, { claimAfterMs: 0 });
  for (const taskId of ["x", "y", "z"]) await store.createTask({ taskId, name: "other" });
  for (const taskId of ["locked", "free"]) await store.createTask({ taskId, name: "grind" });
  const client = await connect(database.url);
  await client.query(`BEGIN; SELECT FROM ${tables}.tasks WHERE task_id <> 'free' FOR UPDATE`);
  const updates = ["x", "y", "z"].map((taskId) => store.updateTask(taskId, { statusMessage: "late" }));
  const claimed = await store.claimTask({ names: ["grind"] });
  expect(claimed?.lease).toMatchObject({ taskId: "free", attempt: 1 });
  expect((await store.getTask("x"))?.statusMessage).toBeUndefined();
  await client.query("COMMIT");
  await Promise.all(updates);
});

test("a claim whose answer is lost with the calls made with it is unknown, and done at most once", async () => {
  const schema = newSchema();
  const proxy = await TcpProxy.start(database.url);
  const store = new PostgresTaskStore({ connectionString: proxy.url, schema, claimAfterMs: 0 });
  const direct = new PostgresTaskStore({ connectionString: database.url, schema, claimAfterMs: 0 });
  onTestFinished(async () => {
    await Promise.all([store.close(), direct.close()]);
    await proxy.begin();
  });
  // By the other store, so that this one sends no signals of the creations.
  await direct.createTask({ taskId: "a", name: "other" });
  for (const taskId of ["b", "c"]) await direct.createTask({ taskId, name: "grind" });
  await store.getTask("a");
  proxy.harmNext("lose an answer");
  const settled = await Promise.allSettled([
    store.updateTask("a", { statusMessage: "once" }),
    store.claimTask({ names: ["grind"] }),
  ]);
  const unknown = { status: "rejected", reason: { code: "BACKEND_UNAVAILABLE", write: "unknown" } };
  expect(settled).toMatchObject([unknown, unknown]);
  // The server ran the batch before its answer was lost.
  expect(await direct.getTask("a")).toMatchObject({ statusMessage: "once" });
  expect(await direct.claimTask({ names: ["grind"] })).toMatchObject({ lease: { taskId: "c", attempt: 1 } });
});

test("a claim in a transaction that began earlier goes by the present time", async () => {
  const { pool, sent } = recordingPool(database.url);
  const { store } = openStore(database.url, { pool, claimAfterMs: 0 });
  await store.createTask({ taskId: "other", name: "other" });
  await Promise.all([store.updateTask("other", { statusMessage: "half" }), store.claimTask({ names: ["grind"] })]);
  const claim = sent.find(({ text }) => text.includes("SKIP LOCKED")) as SentTogether;
  const client = await connect(database.url);
  await client.query("BEGIN; SELECT");
  await store.createTask({ taskId: "new", name: "grind" });
  expect((await client.query(claim.text, claim.values)).rows).toMatchObject([{ taskId: "new" }]);
  await client.query("ROLLBACK");
});
