import type { SearchFilter, SearchPage } from "@mcp-task-store/core/backend";
import { type BetterSqlite3Database, SqliteBackend } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { expect, test } from "vitest";

test("no statement scans a table or sorts its rows", async () => {
  const database = new Database(":memory:");
  const prepared = new Set<string>();
  const recording: BetterSqlite3Database = {
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
  await backend.claimLimited({ name: "n", leaseMs: 1, limit: 2, running: 1, runningPerOwner: 1 });
  await backend.update("a", { scope: null }, { status: "completed", outcome: "{}", history: "{}" });
  await backend.pauses({ pause: ["n"], resume: ["m"] });
  await backend.remove(["a"]);
  await backend.events.register("n", ["end"]);

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
        // a cap, and tables of one row per process, paused name or notifier.
        (/^SCAN/.test(step) &&
          !/json_each|\(subquery|CONSTANT ROW|INDEX mcp_tasks_active$|mcp_listeners|mcp_paused|mcp_notifiers/.test(
            step,
          )),
    ),
  );
  expect(wasteful).toEqual([]);

  const planOf = (part: string) => plans.filter(({ sql }) => sql.includes(part)).map(({ plan }) => plan.join("\n"));
  for (const plan of planOf("owner IS NULL AND position")) {
    expect(plan).toContain("mcp_tasks_by_owner (owner=? AND rowid>?)");
    expect(plan).toContain("MERGE");
  }
  expect(planOf("ORDER BY lease_expires_at")[0]).toContain("mcp_tasks_by_lease (name=? AND lease_expires_at<?)");
  const heads = planOf("INDEXED BY mcp_tasks_by_turn");
  expect(heads.length).toBe(3);
  for (const plan of heads) expect(plan).toMatch(/^SEARCH t USING INDEX mcp_tasks_by_turn \(name=\? AND owner[=>]+\?/);
  for (const plan of planOf("INDEXED BY mcp_tasks_running")) expect(plan).toContain("mcp_tasks_running (name=?");
  expect(planOf("position AS seq, ")[0]).toContain("MERGE");
  expect(planOf("owner IS ? AND lease_expires_at")[0]).toContain("mcp_tasks_active (owner=?)");
  expect(planOf("expires_at <= ? ORDER BY expires_at LIMIT")[0]).toContain("expiry (expires_at<?)");
  await backend.close();
  database.close();
});

test("lists by owner use their index, even if statistics show an owner with many tasks", async () => {
  const database = new Database(":memory:");
  const lists = new Set<string>();
  const recording: BetterSqlite3Database = {
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

test("searches walk along the positions of one index, and look at no more rows than allowed", async () => {
  const database = new Database(":memory:");
  let called: { sql: string; values: unknown[] }[] = [];
  const recording: BetterSqlite3Database = {
    memory: true,
    inTransaction: false,
    prepare(sql) {
      const statement = database.prepare(sql);
      const recorded =
        (call: (...values: unknown[]) => unknown) =>
        (...values: unknown[]) => {
          called.push({ sql, values });
          return call.apply(statement, values);
        };
      return {
        run: (...values) => statement.run(...values),
        get: recorded(statement.get),
        all: recorded(statement.all) as ReturnType<BetterSqlite3Database["prepare"]>["all"],
        safeIntegers: (toggle) => statement.safeIntegers(toggle),
      };
    },
    exec: (sql) => database.exec(sql),
    close: () => database.close(),
  };
  const backend = new SqliteBackend({ database: recording });
  await backend.open();
  // Each eighth task failed. One owner has three of four tasks, the others have ten each.
  database.exec(`WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)
    INSERT INTO mcp_tasks (position, task_id, owner, name, status, created_at, updated_at, revision, attempt, lease_token)
    SELECT n, n, iif(n % 4 > 0, 'many', n % 500), 'name', iif(n % 8 = 0, 'failed', 'completed'), n, n, 1, 0, 0 FROM numbers`);
  database.exec("ANALYZE");
  const search = async (filter: SearchFilter, order: "newest" | "oldest", walk: RegExp): Promise<SearchPage> => {
    called = [];
    const query = { filter, order, after: 10_000, limit: 1000, scan: 100, payloads: ["request", "history"] } as const;
    const page = await backend.search(query);
    expect(called.length).toBeGreaterThanOrEqual(2);
    for (const { sql, values } of called) {
      const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values) as { detail: string }[];
      const steps = plan.map(({ detail }) => detail).join("\n");
      expect(steps).toMatch(walk);
      expect(steps).not.toMatch(/B-TREE FOR|SCAN (t|mcp_tasks)\b/);
    }
    return page;
  };

  const rest = { names: ["name"], created: { from: 10_040, before: null }, idPrefix: "1" };
  const all = /SEARCH t USING INTEGER PRIMARY KEY \(rowid[<>]\?/;
  expect(await search({ ...rest, owners: ["4", null, "8"] }, "oldest", all)).toMatchObject({
    scanned: 100,
    next: 10_100,
  });
  expect(await search({ ...rest, statuses: ["completed"] }, "newest", all)).toMatchObject({ scanned: 100, next: 9900 });
  const owner = /SEARCH t USING (COVERING )?INDEX mcp_tasks_by_owner \(owner=\? AND rowid[<>]\?/;
  const own = await search({ ...rest, owners: ["many"], statuses: ["completed", "failed"] }, "oldest", owner);
  expect(own).toMatchObject({ scanned: 100, next: 10_133 });
  expect(own.tasks.length).toBe(70);
  const few = /SEARCH t USING (COVERING )?INDEX mcp_tasks_active_or_failed \(position[<>]\?/;
  const failed = await search({ ...rest, statuses: ["failed"], owners: ["many"] }, "oldest", few);
  expect(failed).toMatchObject({ scanned: 100, next: 10_800 });
  expect(await search({ statuses: ["working", "input_required"] }, "newest", few)).toMatchObject({
    tasks: [],
    scanned: 100,
  });
  await backend.close();
  database.close();
});

test("a search reads no payload of a task that another condition refuses", async () => {
  const database = new Database(":memory:");
  const backend = new SqliteBackend({ database });
  await backend.open();
  const caps = { activeTasks: null, activeTasksPerOwner: null };
  for (const name of ["n", "m", "n", "m"]) {
    const request = JSON.stringify({ name, text: "x".repeat(2000) });
    const task = { taskId: crypto.randomUUID(), owner: null, name, ttl: null, pollInterval: null, claimAfterMs: 0 };
    await backend.insert({ ...task, request }, caps);
  }
  const read: unknown[] = [];
  database.function("seen", (position, body) => {
    read.push(position);
    return body;
  });
  database.exec(`ALTER TABLE mcp_payloads RENAME TO real_payloads;
    CREATE VIEW mcp_payloads AS SELECT position, field, seen(position, body) AS body FROM real_payloads`);
  const filter = { texts: [{ field: "request", text: '"name":"n"' } as const], names: ["n"] };
  const { tasks } = await backend.search({ filter, order: "oldest", after: null, limit: 10, scan: 10, payloads: [] });
  expect(tasks.map(({ position }) => position)).toEqual([1, 3]);
  expect(read).toEqual([1, 3]);
  await backend.close();
  database.close();
});
