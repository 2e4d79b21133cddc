// Not portable: the indexes of claims with limits, and who may create them.

import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { expect, onTestFinished, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { poolOf } from "./support/sql.ts";

const database = useDatabase();
const request = { method: "tools/call", params: { name: "grind" } };
const CLAIM = { names: ["grind"], concurrency: { grind: { running: 3, runningPerOwner: 2 } } };
const INDEXES = `SELECT indexname AS name FROM pg_indexes WHERE schemaname = 'mcp_tasks'
  AND indexname IN ('tasks_by_turn', 'tasks_running') ORDER BY 1`;

test("the first claim with limits creates its indexes, whichever process makes it", async () => {
  const pool = poolOf(database.url);
  const indexes = async () => (await pool.query(INDEXES)).rows.map(({ name }) => name);
  const stores = Array.from({ length: 4 }, () => new PostgresTaskStore({ connectionString: database.url }));
  onTestFinished(async () => void (await Promise.all(stores.map((store) => store.close()))));
  const [store] = stores as [PostgresTaskStore];
  for (let n = 0; n < 8; n += 1) await store.createTask({ claimAfterMs: 0 }, 1, request, `owner ${n % 2}`);
  expect(await store.claimTask({ names: ["grind"] })).not.toBeNull();
  expect(await indexes()).toEqual([]);
  const claimed = await Promise.all(stores.map((each) => each.claimTask(CLAIM)));
  expect(claimed.filter((each) => each !== null)).toHaveLength(3);
  expect(await indexes()).toEqual(["tasks_by_turn", "tasks_running"]);
});
