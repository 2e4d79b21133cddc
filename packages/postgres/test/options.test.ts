// Not portable: the pools that a store takes, its errors for others, and connections left after a
// failed open.

import { setTimeout as sleep } from "node:timers/promises";
import { isTaskStoreError, migrate, PostgresTaskStore } from "@mcp-task-store/postgres";
import pg from "pg";
import pgPromise from "pg-promise";
import { expect, onTestFinished, test, vi } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { refusal } from "../../../tooling/test/fixtures/errors.ts";
import { newSchema, poolOf, sql } from "./support/sql.ts";

const database = useDatabase();
const request = { method: "tools/call", params: { name: "grind" } };
const connectionString = "postgres://127.0.0.1:1/none";

test.each<[what: string, options: object, says: RegExp]>([
  [
    "a misspelt option",
    { connectionString, maxConections: 5 },
    /PostgresTaskStore does not know "maxConections": did you mean "maxConnections"/,
  ],
  ["text for a flag", { connectionString, listen: "false" }, /listen must be true or false, not a string/],
  [
    "text for a number",
    { connectionString, maxConnections: "5" },
    /maxConnections must be a whole number .* not a string/,
  ],
  ["a schema without a name", { connectionString, schema: "" }, /schema must be a name of 1 to 63 bytes/],
  ["neither connectionString nor pool", {}, /either connectionString or pool/],
  [
    "an environment variable that is not set",
    { connectionString: undefined },
    /connectionString is undefined: .* environment variable/,
  ],
  ["a URL object", { connectionString: new URL(connectionString) }, /connectionString must be a string/],
  ["a connection string as pool", { pool: connectionString }, /pool must be a Pool of pg, not a string/],
  ["a wrong option of every store", { connectionString, limits: { ttl: 60_000 } }, /limits\.ttl must be an object/],
])("a PostgreSQL store refuses %s", (_, options, says) => {
  expect(refusal(() => new PostgresTaskStore(options))).toMatch(says);
});

test("a PostgreSQL store refuses connection options beside a given pool", () => {
  const pool = poolOf(database.url);
  expect(refusal(() => new PostgresTaskStore({ pool, connectionString }))).toMatch(/either connectionString or pool/);
  expect(refusal(() => new PostgresTaskStore({ pool, maxConnections: 5 }))).toMatch(
    /maxConnections has no effect beside pool/,
  );
});

test("a PostgreSQL store refuses a Client, a client of a pool, and an ended pool", async () => {
  expect(refusal(() => new PostgresTaskStore({ pool: new pg.Client() as never }))).toMatch(/this is a single Client/);
  const pool = new pg.Pool({ connectionString: database.url });
  const client = await pool.connect();
  expect(refusal(() => new PostgresTaskStore({ pool: client as never }))).toMatch(/this is a single Client/);
  client.release();
  await pool.end();
  expect(refusal(() => new PostgresTaskStore({ pool }))).toMatch(/a Pool of pg that was not ended/);
});

test("a PostgreSQL store refuses a pg-promise database and takes its pool", async () => {
  const db = pgPromise()(database.url);
  onTestFinished(() => db.$pool.end());
  expect(refusal(() => new PostgresTaskStore({ pool: db as never }))).toMatch(/give the \$pool of this pg-promise/);
  const store = new PostgresTaskStore({ pool: db.$pool as never, schema: newSchema() });
  onTestFinished(() => store.close());
  expect(await store.createTask({ name: "grind" })).toMatchObject({ status: "working" });
});

test("migrate refuses a misspelt schema instead of migrating another one", async () => {
  const pool = poolOf(database.url);
  const error = await migrate(pool, { schemas: "other" } as object).catch((failure: unknown) => failure);
  expect(isTaskStoreError(error, "INVALID_ARGUMENT")).toBe(true);
  expect(pool.totalCount).toBe(0);
});

test.each<[why: string, prepare: (schema: string) => string, migrate: boolean]>([
  ["its tables are missing and it may not make them", () => "SELECT 1", false],
  [
    "its tables are of a newer version",
    (schema) =>
      `CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.task_store_migrations (version int); INSERT INTO ${schema}.task_store_migrations VALUES (1000)`,
    true,
  ],
  ["a migration is refused", (schema) => `CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.tasks (x int)`, true],
])("no connection is left when %s, not even after a second try", async (_, prepare, mayMigrate) => {
  // Otherwise the pool closes an idle connection after 10 s.
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const schema = newSchema();
  const name = `failed open ${schema}`;
  await sql(database.url, prepare(`"${schema.replaceAll('"', '""')}"`));
  const url = `${database.url}?application_name=${encodeURIComponent(name)}`;
  const store = new PostgresTaskStore({ connectionString: url, schema, migrate: mayMigrate });
  onTestFinished(() => store.close());
  const connections = () => sql(database.url, "SELECT 1 FROM pg_stat_activity WHERE application_name = $1", [name]);
  for (let attempt = 0; attempt < 3; attempt += 1) await expect(store.createTask({}, 1, request)).rejects.toThrow();
  // The server notices closed connections a moment later.
  while ((await connections()).length > 0) await sleep(10);
});
