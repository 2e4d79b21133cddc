import { type PgClient, type PgPool, type PgQuery, PostgresBackend, PostgresTaskStore } from "@mcp-task-store/postgres";
import { expect, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { poolOf, sql } from "./support/sql.ts";

// A position is drawn before its insert commits, so a task may become visible after one that has a
// larger position.

const database = useDatabase();

const INSERT = `INSERT INTO mcp_tasks.tasks (task_id, name, status, created_at, updated_at, changed_second,
    lease_expires_at, lease_token, revision, attempt, request)
  VALUES ('late', 'grind', 'working', 1, 1, 0, 1, 0, 1, 0, '{"request":{"method":"grind"}}') RETURNING position`;

test("a follower has a task that commits late, in its place", async () => {
  const pool = poolOf(database.url);
  const store = new PostgresTaskStore({ pool });
  await store.listTasks();
  const backend = new PostgresBackend({ pool });
  await backend.open({ report: () => undefined });
  const writer = await pool.connect();
  await writer.query("BEGIN");
  const { rows } = await writer.query(INSERT);
  const { taskId } = await store.createTask({ name: "grind" });
  // A reader by position sees the later task alone.
  expect((await store.listTasks()).tasks.map((task) => task.taskId)).toEqual([taskId]);
  for (let call = 0; call < 3; call += 1) expect(await backend.settled()).toBeLessThan(Number(rows[0].position));
  const end = new AbortController();
  const following = store.operations
    .exportTasks({ follow: true, pollMs: 5, signal: end.signal })
    [Symbol.asyncIterator]();
  const next = async () => (await following.next()).value.taskId as string;
  const first = next();
  // The follower has looked while the first task was not visible.
  await expect.poll(() => looks(database.url)).toBeGreaterThan(0);
  await writer.query("COMMIT");
  writer.release();
  expect([await first, await next()]).toEqual(["late", taskId]);
  end.abort();
  await expect(following.next()).rejects.toThrow();
  // A transaction that began later holds up nothing.
  const later = await pool.connect();
  await later.query("BEGIN; LOCK TABLE mcp_tasks.tasks IN ROW EXCLUSIVE MODE");
  await store.createTask({ name: "grind" });
  const drawn = (await sql(database.url, "SELECT max(position) AS position FROM mcp_tasks.tasks"))[0] as {
    position: string;
  };
  await backend.settled();
  await later.query("COMMIT; BEGIN; LOCK TABLE mcp_tasks.tasks IN ROW EXCLUSIVE MODE");
  expect(await backend.settled()).toBeGreaterThanOrEqual(Number(drawn.position));
  await later.query("COMMIT");
  later.release();
  await backend.close();
  await store.close();
});

async function looks(url: string): Promise<number> {
  const rows = await sql(
    url,
    "SELECT FROM pg_stat_activity WHERE query LIKE '%virtualtransaction%' AND pid <> pg_backend_pid()",
  );
  return rows.length;
}

test("questions at the same time do not settle a position whose insert has not committed", async () => {
  const pool = poolOf(database.url);
  const asked = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  let delays = 1;
  const delayed: PgPool = {
    async connect() {
      const client = await pool.connect();
      return new Proxy(client, {
        get(target, key) {
          // Without it, the store sends statements that this test can read.
          if (key === "connection") return undefined;
          const value: unknown = Reflect.get(target, key);
          if (typeof value !== "function") return value;
          if (key !== "query") return value.bind(target);
          return async (query: PgQuery) => {
            const answer = await target.query(query);
            if (!query.text?.includes("virtualtransaction") || delays === 0) return answer;
            delays -= 1;
            asked.resolve();
            await answered.promise;
            return answer;
          };
        },
      }) as PgClient;
    },
  };
  const backend = new PostgresBackend({ pool: delayed, listen: false });
  await backend.open({ report: () => undefined });
  const [first, second] = [await pool.connect(), await pool.connect()];
  await first.query("BEGIN; LOCK TABLE mcp_tasks.tasks IN ROW EXCLUSIVE MODE");
  const slow = backend.settled();
  await asked.promise;
  await first.query("COMMIT");
  await second.query("BEGIN");
  const { rows } = await second.query(INSERT.replace("'late'", "'later'"));
  const quick = backend.settled();
  // By then the second question would have its answer, if it had been asked.
  for (let call = 0; call < 5; call += 1) await sql(database.url, "SELECT 1");
  answered.resolve();
  for (const position of [await slow, await quick]) expect(position).toBeLessThan(Number(rows[0].position));
  await second.query("ROLLBACK");
  for (const client of [first, second]) client.release();
  await backend.close();
});
