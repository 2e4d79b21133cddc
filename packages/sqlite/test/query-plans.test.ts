import { SqliteBackend, type SqliteDatabase } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { expect, test } from "vitest";

test("no statement scans a table or sorts its rows", async () => {
  const database = new Database(":memory:");
  const prepared = new Set<string>();
  const recording: SqliteDatabase = {
    memory: true,
    inTransaction: false,
    prepare(sql) {
      prepared.add(sql.replaceAll(/\s+/g, " "));
      return database.prepare(sql);
    },
    exec: (sql) => database.exec(sql),
    close: () => database.close(),
  };
  const backend = new SqliteBackend({ database: recording });
  await backend.open();
  const task = { taskId: "a", owner: "o", name: "n", ttl: 1, pollInterval: null, request: "{}", claimAfterMs: 0 };
  await backend.insert(task, { activeTasks: 1, activeTasksPerOwner: 1 });
  await backend.read("a", null, ["request", "outcome"]);
  await backend.claim({ names: ["n"], leaseMs: 1, limit: 2 });
  await backend.update("a", { scope: null }, { status: "completed", outcome: "{}" });

  const plans = [...prepared]
    .filter((sql) => /^(SELECT|UPDATE|DELETE|INSERT)/.test(sql) && !/sqlite_schema|mcp_migrations/.test(sql))
    .map((sql) => ({
      sql,
      plan: (database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...sql.matchAll(/\?/g)) as { detail: string }[]).map(
        ({ detail }) => detail,
      ),
    }));
  expect(plans.length).toBeGreaterThan(20);
  const wasteful = plans.filter(({ plan }) =>
    plan.some(
      (step) =>
        /USE TEMP B-TREE/.test(step) ||
        // Allowed scans: given lists of ids, results of subqueries, the index of active tasks up to
        // a cap, and a table of one row per process.
        (/^SCAN/.test(step) && !/json_each|\(subquery|CONSTANT ROW|INDEX mcp_tasks_active$|mcp_listeners/.test(step)),
    ),
  );
  expect(wasteful).toEqual([]);

  const planOf = (part: string) => plans.filter(({ sql }) => sql.includes(part)).map(({ plan }) => plan.join("\n"));
  for (const plan of planOf("owner IS NULL AND position")) {
    expect(plan).toContain("mcp_tasks_by_owner (owner=? AND rowid>?)");
    expect(plan).toContain("MERGE");
  }
  expect(planOf("ORDER BY lease_expires_at")[0]).toContain("mcp_tasks_by_lease (name=? AND lease_expires_at<?)");
  expect(planOf("position AS seq, ")[0]).toContain("MERGE");
  expect(planOf("owner IS ? AND lease_expires_at")[0]).toContain("mcp_tasks_active (owner=?)");
  expect(planOf("expires_at <= ? ORDER BY expires_at LIMIT")[0]).toContain("expiry (expires_at<?)");
  await backend.close();
  database.close();
});

test("lists by owner use their index, even if statistics show an owner with many tasks", async () => {
  const database = new Database(":memory:");
  const lists = new Set<string>();
  const recording: SqliteDatabase = {
    memory: true,
    inTransaction: false,
    prepare(sql) {
      if (/owner (IS|=) \?.*ORDER BY position/s.test(sql)) lists.add(sql);
      return database.prepare(sql);
    },
    exec: (sql) => database.exec(sql),
    close: () => database.close(),
  };
  const backend = new SqliteBackend({ database: recording });
  await backend.open();
  // One owner has the last three quarters. The others have ten tasks each.
  database.exec(`WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)
    INSERT INTO mcp_tasks (position, task_id, owner, name, status, created_at, updated_at, revision, attempt, lease_token)
    SELECT n, n, CASE WHEN n > 5000 THEN 'many' ELSE n % 500 END, 'name', 'completed', 1, 1, 1, 0, 0 FROM numbers`);
  database.exec("ANALYZE");
  expect(lists.size).toBe(2);
  for (const sql of lists) {
    const values = [...sql.matchAll(/\b(owner IS|owner =|position >|expires_at >|LIMIT) \?/g)].map(([, what]) =>
      what?.startsWith("owner") ? "many" : what === "LIMIT" ? 11 : 0,
    );
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values) as { detail: string }[];
    expect(plan.map(({ detail }) => detail).join("\n")).toMatch(/mcp_tasks_by_owner \(owner=\? AND rowid>\?\)/);
  }
  await backend.close();
  database.close();
});
