// Not portable: what a store meets when another server takes the place of its own.

import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { newSchema, poolOf, sql } from "./support/sql.ts";

const CONNECTIONS = 5;
const request = { method: "tools/call", params: { name: "grind" } };

function open(options: ConstructorParameters<typeof PostgresTaskStore>[0]): PostgresTaskStore {
  const store = new PostgresTaskStore({ sweepIntervalMs: false, ...options });
  onTestFinished(() => store.close());
  return store;
}

describe.each(["the store's own pool", "an application's pool"])("%s", (which) => {
  const database = useDatabase();

  test("leaves connections to a server that became read-only", async () => {
    const name = new URL(database.url).pathname.slice(1);
    const writable = `${database.url}?options=-c%20default_transaction_read_only%3Doff`;
    const url = `${database.url}?application_name=tasks`;
    const pool = which === "an application's pool" ? { pool: poolOf(url, { max: CONNECTIONS }) } : undefined;
    const store = open({ ...(pool ?? { connectionString: url, maxConnections: CONNECTIONS }), schema: newSchema() });
    const { taskId } = await store.createTask({}, 1, request);
    // Connections from now on are as those to a standby, until it is promoted.
    await sql(writable, `ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    await sql(writable, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tasks'");
    const reads = () => Promise.all(Array.from({ length: 2 * CONNECTIONS }, () => store.operations.listRecords()));
    await vi.waitFor(reads, 10_000);
    await expect(store.cancelTask(taskId)).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
      write: "not-applied",
      message: expect.stringContaining("read-only"),
    });
    await reads();
    await sql(writable, `ALTER DATABASE ${name} RESET default_transaction_read_only`);
    for (let count = 0; count < 2 * CONNECTIONS; count += 1)
      await Promise.all([store.createTask({}, 1, request), store.updateTask(taskId, { statusMessage: `${count}` })]);
  });
});

describe("a server whose clock is behind that of the one before", () => {
  const database = useDatabase();

  test("the store's subscriptions hear of changes", async () => {
    await sql(
      database.url,
      `CREATE SCHEMA clocks;
      CREATE TABLE clocks.behind (by interval NOT NULL);
      INSERT INTO clocks.behind VALUES ('0');
      ${["now", "clock_timestamp", "statement_timestamp"]
        .map(
          (clock) => `CREATE FUNCTION clocks.${clock}() RETURNS timestamptz LANGUAGE sql VOLATILE
            AS 'SELECT pg_catalog.${clock}() - by FROM clocks.behind';`,
        )
        .join("\n")}
      ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET search_path = clocks, pg_catalog, public;`,
    );
    const schema = newSchema();
    const [store, other] = [1, 2].map(() =>
      open({ connectionString: database.url, schema, listen: false, changePollMs: 20, fallbackPollMs: 600_000 }),
    ) as [PostgresTaskStore, PostgresTaskStore];
    const heard = new Set<string>();
    await store.subscribe(({ task }) => heard.add(task.taskId));
    const first = await other.createTask({}, 1, request);
    await vi.waitFor(() => expect(heard).toContain(first.taskId), 10_000);
    await sql(database.url, "UPDATE clocks.behind SET by = '1 minute'");
    const second = await other.createTask({}, 1, request);
    expect(Date.parse(second.createdAt)).toBeLessThan(Date.parse(first.createdAt));
    await vi.waitFor(() => expect(heard).toContain(second.taskId), 10_000);
  });
});
