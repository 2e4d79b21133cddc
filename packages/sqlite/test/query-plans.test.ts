import { SqliteBackend, type SqliteDatabase } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { expect, test } from "vitest";

const NO_CAPS = { activeTasks: null, activeTasksPerOwner: null };

test("no statement scans a table or sorts what it found", async () => {
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
  await backend.insert(task, NO_CAPS);
  await backend.read("a", null, ["request", "outcome"]);

  const plans = [...prepared]
    .filter((sql) => /^(SELECT|UPDATE|DELETE)/.test(sql) && !/sqlite_schema|mcp_migrations/.test(sql))
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
        // Lists of ids given to the statement, results of its own subqueries, and the index of active tasks up to a cap.
        (/^SCAN/.test(step) && !/json_each|\(subquery|CONSTANT ROW|INDEX mcp_tasks_active$/.test(step)),
    ),
  );
  expect(wasteful).toEqual([]);

  const planOf = (part: string) => plans.filter(({ sql }) => sql.includes(part)).map(({ plan }) => plan.join("\n"));
  for (const plan of planOf("UNION ALL")) {
    expect(plan).toContain("mcp_tasks_by_owner (owner=? AND rowid>?)");
    expect(plan).toContain("MERGE");
  }
  expect(planOf("ORDER BY lease_expires_at")[0]).toContain("mcp_tasks_by_lease (name=? AND lease_expires_at<?)");
  expect(planOf("change_seq > ?")[0]).toContain("mcp_tasks_by_change (change_seq>?)");
  expect(planOf("owner IS ? AND lease_expires_at")[0]).toContain("mcp_tasks_active (owner=?)");
  expect(planOf("expires_at <= ? ORDER BY expires_at LIMIT")[0]).toContain("expiry (expires_at<?)");
  await backend.close();
  database.close();
});
