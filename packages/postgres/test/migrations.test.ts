import { readFileSync } from "node:fs";
import { migrate, PostgresTaskStore, SCHEMA_VERSION } from "@mcp-task-store/postgres";
import { schema } from "@mcp-task-store/postgres/schema";
import { getTableName, SQL } from "drizzle-orm";
import { getTableConfig, type IndexedColumn, PgDialect } from "drizzle-orm/pg-core";
import type pg from "pg";
import { expect, test, vi } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { run } from "./support/process.ts";
import { newSchema, poolOf, sql } from "./support/sql.ts";

const database = useDatabase();
const request = { method: "tools/call", params: { name: "grind" } };
const FILES = ["0001_tasks", "0002_operators", "0003_reach"].map((name) =>
  readFileSync(new URL(`../migrations/${name}.sql`, import.meta.url), "utf8"),
);
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

test("ten processes can open a new database at once, and it is migrated once", async () => {
  const name = newSchema();
  const ended = await Promise.all(Array.from({ length: 10 }, () => run("create", database.url, name)));
  expect(ended).toEqual(Array(10).fill({ code: 0, output: "created" }));
  expect(await sql(database.url, `SELECT version FROM ${quoted(name)}.task_store_migrations`)).toEqual([
    { version: 1 },
    { version: -2 },
    { version: -3 },
  ]);
  expect(await sql(database.url, `SELECT count(*)::int FROM ${quoted(name)}.tasks`)).toEqual([{ count: 10 }]);
});

test("stores with different schemas share a database and connections, and nothing else", async () => {
  const pool = poolOf(database.url, { max: 2 });
  const stores = [newSchema(), newSchema()].map((name) => new PostgresTaskStore({ pool, schema: name, pageSize: 1 }));
  const [first, second] = stores as [PostgresTaskStore, PostgresTaskStore];
  const [{ taskId }] = await Promise.all([first.createTask({}, 1, request), first.createTask({}, 2, request)]);
  await second.createTask({}, 3, request);
  expect(await second.getTask(taskId)).toBeNull();
  const { nextCursor } = await first.listTasks();
  await expect(second.listTasks(nextCursor)).rejects.toMatchObject({ code: "INVALID_CURSOR" });
  await Promise.all(stores.map((store) => store.close()));
});

test("the schema may be `public`, beside the application's own tables", async () => {
  await sql(database.url, "CREATE TABLE migrations (id integer)");
  const store = new PostgresTaskStore({ connectionString: database.url, schema: "public" });
  const { taskId } = await store.createTask({}, 1, request);
  expect(await sql(database.url, "SELECT task_id FROM public.tasks")).toEqual([{ task_id: taskId }]);
  await store.close();
});

test.each(["", "a\0b", "x".repeat(64), "\ud800"])("schema %j is refused", (name) => {
  expect(() => new PostgresTaskStore({ connectionString: "postgres://unused", schema: name })).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT" }),
  );
});

test("migrate returns the number of migrations that it applied", async () => {
  const pool = poolOf(database.url);
  const name = newSchema();
  expect(await migrate(pool, { schema: name })).toBe(SCHEMA_VERSION);
  expect(await migrate(pool, { schema: name })).toBe(0);
});

test("a failed migrate leaves nothing behind and damages no foreign table", async () => {
  const pool = poolOf(database.url);
  const name = newSchema();
  await pool.query(`CREATE SCHEMA ${quoted(name)}`);
  await pool.query(`CREATE TABLE ${quoted(name)}.task_messages (something text)`);
  await expect(migrate(pool, { schema: name })).rejects.toMatchObject({ code: "SCHEMA_MISMATCH" });
  const { rows } = await pool.query("SELECT tablename FROM pg_tables WHERE schemaname = $1", [name]);
  expect(rows).toEqual([{ tablename: "task_messages" }]);
});

test("a user without CREATE on the database can use an existing schema", async () => {
  const pool = poolOf(database.url);
  const name = newSchema();
  const role = `migrator_${process.pid}`;
  await pool.query(`CREATE ROLE ${role}`);
  await pool.query(`CREATE SCHEMA ${quoted(name)} AUTHORIZATION ${role}`);
  const restricted = poolOf(database.url, { max: 1, options: `-c role=${role}` });
  expect(await migrate(restricted, { schema: name })).toBe(SCHEMA_VERSION);
  await pool.query(`DROP SCHEMA ${quoted(name)} CASCADE`);
  await pool.query(`DROP ROLE ${role}`);
});

test("with `migrate: false` a store refuses to open until psql has run the SQL files", async () => {
  const pool = poolOf(database.url);
  const store = new PostgresTaskStore({ pool, migrate: false });
  await expect(store.getTask("any")).rejects.toMatchObject({ code: "SCHEMA_MISMATCH", message: /migrate\(\)/ });
  expect((await pool.query("SELECT FROM pg_namespace WHERE nspname = 'mcp_tasks'")).rowCount).toBe(0);
  await pool.query("CREATE SCHEMA mcp_tasks");
  for (const file of FILES) await pool.query(file);
  expect(await store.getTask("any")).toBeNull();
  await store.close();
});

test("a newer schema version is refused and left as it is", async () => {
  const pool = poolOf(database.url);
  const name = newSchema();
  await migrate(pool, { schema: name });
  await pool.query(`INSERT INTO ${quoted(name)}.task_store_migrations (version, name) VALUES (1000, 'later')`);
  for (const each of [true, false]) {
    const store = new PostgresTaskStore({ pool, schema: name, migrate: each });
    await expect(store.createTask({}, 1, request)).rejects.toMatchObject({ code: "SCHEMA_MISMATCH", message: /1000/ });
    await store.close();
  }
});

/** A schema of version 1 with a task that waits, one that a runner holds, and one that failed. */
async function versionOne(pool: pg.Pool): Promise<string> {
  const name = newSchema();
  await pool.query(`CREATE SCHEMA ${quoted(name)}`);
  await pool.query((FILES[0] as string).replaceAll("mcp_tasks.", `${quoted(name)}.`));
  for (const [id, status, lease] of [
    ["waits", "working", "0"],
    ["runs", "working", "now + 3600000"],
    ["failed", "failed", "NULL"],
  ])
    await pool.query(`INSERT INTO ${quoted(name)}.tasks (task_id, name, status, created_at, updated_at, changed_second,
        lease_expires_at, lease_token, revision, attempt, request)
      SELECT '${id}', 'grind', '${status}', now, now, now / 1000, ${lease}, 0, 1, 0, '{"request":{"method":"grind"}}'
      FROM (SELECT floor(extract(epoch FROM now()) * 1000)::bigint AS now) AS clock`);
  return name;
}

/** What version 1 of the package asks before it opens a store. */
const NEEDED = "SELECT coalesce(max(version), 0) AS version FROM";

test("tables of version 1 with tasks are brought up to date, and version 1 goes on beside them", async () => {
  const pool = poolOf(database.url);
  const name = await versionOne(pool);
  const store = new PostgresTaskStore({ pool, schema: name });
  const { records } = await store.operations.listRecords({ fields: ["request"] });
  expect(records.map(({ task, history }) => [task.taskId, task.status, history])).toEqual([
    ["failed", "failed", []],
    ["runs", "working", []],
    ["waits", "working", []],
  ]);
  const claimed = await store.claimTask({ names: ["grind"] });
  expect(claimed?.lease.taskId).toBe("waits");
  expect((await store.operations.getRecord("waits"))?.holder?.pid).toBe(process.pid);
  // An old process opens the store, makes a task, and takes its lease.
  expect((await pool.query(`${NEEDED} ${quoted(name)}.task_store_migrations`)).rows).toEqual([{ version: 1 }]);
  await pool.query(`INSERT INTO ${quoted(name)}.tasks AS t (task_id, owner, name, status, created_at, updated_at,
      changed_second, ttl, expires_at, poll_interval, revision, attempt, lease_token, lease_expires_at, request)
    VALUES ('old', NULL, 'grind', 'working', 1, 1, 0, NULL, NULL, NULL, 1, 0, 0, 1, '{}')`);
  await pool.query(`UPDATE ${quoted(name)}.tasks SET attempt = attempt + 1, lease_token = lease_token + 1,
    lease_expires_at = floor(extract(epoch FROM now()) * 1000)::bigint + 60000 WHERE task_id = 'old'`);
  expect((await store.operations.getRecord("old"))?.holder).toBeUndefined();
  await store.operations.requeueTask("old");
  expect((await store.claimTask({ names: ["grind"] }))?.lease.taskId).toBe("old");
  await store.close();
});

test("a migration that waits for a table lets calls of other processes pass", async () => {
  const pool = poolOf(database.url);
  const name = await versionOne(pool);
  const reader = await pool.connect();
  await reader.query(`BEGIN; SELECT FROM ${quoted(name)}.tasks`);
  const migrated = migrate(pool, { schema: name });
  const waits = `SELECT FROM pg_locks WHERE NOT granted AND relation = '${quoted(name)}.tasks'::regclass`;
  await vi.waitFor(async () => expect(await sql(database.url, waits)).toHaveLength(1), 30_000);
  // It stands behind the migration, and passes while that one begins anew.
  await sql(database.url, `UPDATE ${quoted(name)}.tasks SET revision = 2 WHERE task_id = 'waits'`);
  await reader.query("ROLLBACK");
  reader.release();
  expect(await migrated).toBe(SCHEMA_VERSION - 1);
});

test("additions of a later version are no reason to refuse", async () => {
  const pool = poolOf(database.url);
  const name = newSchema();
  await migrate(pool, { schema: name });
  await pool.query(`INSERT INTO ${quoted(name)}.task_store_migrations (version, name) VALUES (-1000, 'later')`);
  expect(await migrate(pool, { schema: name })).toBe(0);
  const store = new PostgresTaskStore({ pool, schema: name, migrate: false });
  await store.createTask({}, 1, request);
  await store.close();
});

test("the drizzle schema matches the migrated tables", async () => {
  const pool = poolOf(database.url);
  const name = newSchema();
  await migrate(pool, { schema: name });
  const { rows: columns } = await pool.query(
    `SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS "notNull"
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
      WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r'`,
    [quoted(name)],
  );
  const { rows: indexes } = await pool.query(
    `SELECT c.relname AS table, i.relname AS name, x.indisunique AS unique, pg_get_expr(x.indpred, x.indrelid) AS where,
        array(SELECT attname::text FROM unnest(x.indkey) WITH ORDINALITY AS k (num, place)
          JOIN pg_attribute ON attrelid = c.oid AND attnum = k.num ORDER BY place) AS columns
      FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
      WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r' AND NOT x.indisprimary`,
    [quoted(name)],
  );
  const dialect = new PgDialect();
  const tables = Object.values(schema(name)).map((table) => ({ table: getTableName(table), ...getTableConfig(table) }));
  const expectedColumns = tables.flatMap(({ table, columns }) =>
    columns.map((column) => ({
      table,
      name: column.name,
      type: column.getSQLType(),
      notNull: column.notNull,
    })),
  );
  const expectedIndexes = tables.flatMap(({ table, indexes }) =>
    indexes.map(({ config }) => ({
      table,
      name: config.name,
      unique: config.unique,
      where: config.where ? `(${dialect.sqlToQuery(config.where).sql})` : null,
      columns: config.columns
        .filter((column) => !(column instanceof SQL))
        .map((column) => (column as IndexedColumn).name),
    })),
  );
  const sorted = (rows: { table: string; name?: string | undefined }[]) =>
    rows.toSorted((a, b) => (`${a.table} ${a.name}` < `${b.table} ${b.name}` ? -1 : 1));
  expect(sorted(columns)).toEqual(sorted(expectedColumns));
  expect(sorted(indexes)).toEqual(sorted(expectedIndexes));
});
