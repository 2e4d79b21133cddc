import { type PgPool, type PgQuery, PostgresBackend } from "@mcp-task-store/postgres";
import { expect, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { poolOf } from "./support/sql.ts";

const database = useDatabase();
const TASKS = 100_000;

interface Plan {
  "Node Type": string;
  "Index Name"?: string;
  "Relation Name"?: string;
  Plans?: Plan[];
}

test(`at ${TASKS} tasks every statement goes by an index`, async () => {
  const pool = poolOf(database.url);
  const sent = new Map<string, PgQuery>();
  const recording: PgPool = {
    async connect() {
      const client = await pool.connect();
      return new Proxy(client, {
        get(target, key) {
          if (key !== "query")
            return typeof target[key as "on"] === "function" ? target[key as "on"].bind(target) : undefined;
          return (query: PgQuery) => {
            if (query.name) sent.set(query.name, query);
            return target.query(query);
          };
        },
      });
    },
  };
  const backend = new PostgresBackend({ pool: recording, listen: false, changePollMs: 10 });
  await backend.open({ report: () => undefined });
  sent.clear();
  // Only the test's own ANALYZE makes statistics.
  await pool.query("ALTER TABLE mcp_tasks.tasks SET (autovacuum_enabled = false)");
  // Half of the tasks are active, some have lapsed, and few have expired. A hundred owners, one of
  // them NULL, have equally many.
  await pool.query(
    `INSERT INTO mcp_tasks.tasks (created_at, updated_at, changed_second, ttl, expires_at, lease_expires_at, lease_token,
        poll_interval, revision, attempt, task_id, owner, name, status, request)
      SELECT now, now, now / 1000 - i, 3600000, now + (i - 100) * 1000, CASE WHEN i % 2 = 0 THEN now + i - 50000 END, 0,
        1000, 1, 0, 'task' || i, CASE WHEN i % 100 <> 1 THEN 'owner' || i % 100 END, 'tool' || i % 10,
        CASE WHEN i % 2 = 0 THEN 'working' ELSE 'completed' END, repeat('x', 500)
      FROM generate_series(1, ${TASKS}) AS i, (SELECT floor(extract(epoch FROM now()) * 1000)::bigint AS now) AS clock`,
  );
  await pool.query(
    `INSERT INTO mcp_tasks.task_messages (task_id, expires_at, body)
      SELECT 'task' || i % 1000, floor(extract(epoch FROM now()) * 1000)::bigint + i * 1000, '{}'
      FROM generate_series(1, ${TASKS}) AS i`,
  );
  const client = await pool.connect();
  const planOf = async ({ text, values = [] }: PgQuery, mode = "force_generic_plan"): Promise<Plan[]> => {
    await client.query(`BEGIN; SET LOCAL plan_cache_mode = ${mode}`);
    // A claim with limits changes a setting of its transaction.
    const lock = [...sent.values()].find(({ name }) => name?.startsWith("mcp_lock_turns"));
    if (lock && text.includes("WITH RECURSIVE")) await client.query({ text: lock.text, values: lock.values ?? [] });
    const { rows } = await client.query({ text: `EXPLAIN (FORMAT JSON) ${text}`, values });
    await client.query("ROLLBACK");
    return nodesOf(rows[0]["QUERY PLAN"][0].Plan);
  };
  const plansOf = async (label: RegExp) => {
    const claim = [...sent.values()].find(({ name }) => label.test(name ?? "")) as PgQuery;
    return [await planOf(claim), await planOf(claim, "force_custom_plan")];
  };

  await backend.claim({ names: ["tool2", "tool4"], leaseMs: 1, limit: 4 });
  await backend.claimLimited({ name: "tool2", leaseMs: 1000, limit: 4, running: 100, runningPerOwner: 2 });
  const [plansOfClaim, plansOfLimited] = [await plansOf(/^mcp_claim_[^l]/), await plansOf(/^mcp_claim_limited/)];
  await pool.query("VACUUM ANALYZE mcp_tasks.tasks, mcp_tasks.task_messages");
  plansOfClaim.push(...(await plansOf(/^mcp_claim_[^l]/)));
  plansOfLimited.push(...(await plansOf(/^mcp_claim_limited/)));

  const task = {
    taskId: "new",
    owner: "owner2",
    name: "n",
    ttl: 1,
    pollInterval: null,
    request: "{}",
    claimAfterMs: 0,
  };
  const scope = { owner: "owner2", orUnowned: true };
  const uncapped = { activeTasks: null, activeTasksPerOwner: null };
  await backend.insert(task, { activeTasks: 1_000_000, activeTasksPerOwner: 1_000_000 });
  await backend.read("task2000", scope, ["request", "outcome"]);
  await backend.readMany(["task2000", "task3000"], ["outcome"]);
  expect(await backend.insert({ ...task, taskId: "task2000" }, uncapped)).toEqual({ refused: "duplicate" });
  await backend.update("task2000", { scope, revision: 1, leaseToken: 5 }, { status: "completed" });
  await backend.update("task2000", { scope: null, leaseFree: true }, { lease: { action: "take", leaseMs: 1 } });
  for (const each of [null, scope, { ...scope, orUnowned: false }, { owner: null, orUnowned: true }])
    await backend.list({ scope: each, after: 50_000, limit: 11 });
  await backend.claim({ names: ["tool2", "tool4"], leaseMs: 1, limit: 4 });
  await backend.push("task1", "{}", 1_000_000, 1000);
  await backend.shift("task1", 1);
  await backend.shift("task2", null);
  await backend.deleteExpired(10);
  const stop = await backend.listen(() => undefined);
  await expect.poll(() => [...sent.keys()].some((name) => name.startsWith("mcp_changed_since"))).toBe(true);
  await stop();
  await backend.close();

  const plans: Record<string, Plan[]> = {};
  for (const query of sent.values()) {
    const label = (query.name ?? "").replace(/^mcp_(.*)_[0-9a-f]+$/, "$1");
    plans[label] = [...(plans[label] ?? []), ...(await planOf(query))];
  }
  client.release();

  const indexes = (label: string) => new Set(plans[label]?.flatMap((node) => node["Index Name"] ?? []));
  expect(Object.keys(plans).toSorted()).toEqual([
    "can_claim",
    "caps",
    "changed_since",
    "claim",
    "claim_limited",
    "count",
    "delete_expired",
    "delete_expired_messages",
    "even_out",
    "forget_steps",
    "insert",
    "insert_in_place",
    "list_all",
    "list_owner",
    "list_owner_and_unowned",
    "list_unowned",
    "lock_cap",
    "lock_migration",
    "lock_queue",
    "lock_turns",
    "missing_indexes",
    "notify",
    "now",
    "push",
    "shift",
    "task",
    "task_request_outcome",
    "tasks_outcome",
    "update",
  ]);
  // Only the count of active tasks up to a cap walks an index. All other statements look rows up.
  const scans = Object.entries(plans).flatMap(([label, nodes]) =>
    nodes
      .filter((node) => node["Node Type"] === "Seq Scan" && label !== "caps")
      .map((node) => `${label}: ${node["Relation Name"]}`),
  );
  expect(scans).toEqual([]);
  expect(indexes("task_request_outcome")).toEqual(new Set(["tasks_by_id"]));
  expect(indexes("update")).toEqual(new Set(["tasks_by_id"]));
  expect(indexes("task")).toEqual(new Set(["tasks_by_id"]));
  expect(indexes("tasks_outcome")).toEqual(new Set(["tasks_by_id"]));
  expect(indexes("even_out")).toEqual(new Set(["tasks_by_id", "tasks_pkey"]));
  expect(indexes("list_all")).toEqual(new Set(["tasks_pkey"]));
  for (const label of ["list_owner", "list_unowned", "list_owner_and_unowned"])
    expect([label, ...indexes(label)]).toEqual([label, "tasks_by_owner"]);
  const sorting = Object.keys(plans).filter((label) => plans[label]?.some((node) => node["Node Type"] === "Sort"));
  // These sort two pages, the names of a claim, the chosen tasks, and the dequeued messages.
  expect(sorting.toSorted()).toEqual(["claim", "claim_limited", "list_owner_and_unowned", "shift"]);
  // A claim walks an index with and without statistics, and sorts only the names.
  for (const nodes of plansOfClaim) {
    const ofTasks = nodes.filter((node) => node["Relation Name"] === "tasks" && node["Node Type"] !== "ModifyTable");
    expect(ofTasks.map((node) => [node["Node Type"], node["Index Name"]])).toEqual([
      ["Index Scan", "tasks_by_lease"],
      ["Index Scan", "tasks_by_lease"],
      ["Index Scan", "tasks_pkey"],
    ]);
    const sorts = nodes.filter((node) => node["Node Type"] === "Sort");
    expect(sorts.map((sort) => nodesOf(sort).map((node) => node["Node Type"]))).toEqual([["Sort", "CTE Scan"]]);
  }
  // A claim with limits goes from owner to owner, counts running tasks, and sorts what it chose.
  for (const nodes of plansOfLimited) {
    const ofTasks = nodes.filter((node) => node["Relation Name"] === "tasks" && node["Node Type"] !== "ModifyTable");
    expect(new Set(ofTasks.map((node) => `${node["Node Type"]} ${node["Index Name"]}`))).toEqual(
      new Set(["tasks_by_turn", "tasks_running", "tasks_pkey"].map((index) => `Index Scan ${index}`)),
    );
  }
  expect(indexes("delete_expired")).toEqual(new Set(["tasks_by_expiry", "tasks_pkey", "task_steps_pkey"]));
  expect(indexes("changed_since")).toEqual(new Set(["tasks_by_change"]));
  expect(indexes("shift")).toEqual(new Set(["task_messages_by_task", "task_messages_pkey"]));
  expect(indexes("count")).toEqual(new Set(["task_messages_by_task"]));
  expect(indexes("delete_expired_messages")).toEqual(new Set(["task_messages_by_expiry", "task_messages_pkey"]));
  expect(indexes("caps")).toContain("tasks_active");
}, 120_000);

function nodesOf(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}
