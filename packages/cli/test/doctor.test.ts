import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { Redis } from "ioredis";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { executable } from "../../../tooling/databases/binaries.ts";
import { startOwnRedis } from "../../../tooling/databases/index.ts";
import { startRedisSentinels } from "../../../tooling/databases/redis-sentinel.ts";
import { PostgresProxy } from "../../postgres/test/support/proxy.ts";
import { clockFinding, type Finding } from "../src/doctor/finding.ts";
import * as postgresDoctor from "../src/doctor/postgres.ts";
import * as redisDoctor from "../src/doctor/redis.ts";
import { diskFinding, roomFinding } from "../src/doctor/sqlite.ts";
import { workersFinding } from "../src/doctor/tasks.ts";
import { mcpTasks } from "./support/cli.ts";
import { postgres, redis, sqlite } from "./support/places.ts";

/** What the doctor has to complain of, by check. */
async function complaints(args: readonly string[]): Promise<Record<string, string>> {
  const { code, stdout } = await mcpTasks(["doctor", ...args, "--json"]);
  const { healthy, findings } = JSON.parse(stdout) as { healthy: boolean; findings: Finding[] };
  const bad = findings.filter(({ level }) => level === "warning" || level === "problem");
  expect({ code, healthy }).toEqual(bad.length === 0 ? { code: 0, healthy: true } : { code: 3, healthy: false });
  for (const { advice } of bad) expect(advice).toEqual(expect.any(String));
  return Object.fromEntries(bad.map(({ check, message }) => [check, message]));
}

describe("SQLite", () => {
  const place = sqlite.use();

  test("a store that is well has no complaint, and one that is not has some", async () => {
    expect(await complaints(place.args)).toEqual({});
    const database = new Database(place.url);
    const past = { now: () => Date.now() - 600_000 };
    const before = new SqliteTaskStore({ database, claimAfterMs: 0, sweepIntervalMs: false, clock: past });
    await before.createTask({ name: "render" });
    const { taskId } = await before.createTask({ name: "paint" });
    await place.store.acquireLease(taskId);
    await place.store.operations.pauseClaims("index");
    const found = await complaints(place.args);
    expect(found["stuck"]).toContain("1 task");
    const { stdout } = await mcpTasks(["doctor", ...place.args]);
    expect(stdout).toMatch(
      /! workers +no worker runs tasks of render: 1 task of render can be claimed, the oldest for 10m\n/,
    );
    expect(stdout).toMatch(/! workers +claims of index are paused.*\n +→ mcp-tasks resume index\n/);
    expect(stdout).not.toContain("paint");
    await before.close();
    // The others come with the first call that needs them.
    const indexes = database
      .prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND name NOT LIKE '%by_lease%' AND name NOT LIKE '%active_or_failed%' AND sql IS NOT NULL",
      )
      .pluck()
      .all() as string[];
    expect(indexes.length).toBeGreaterThan(5);
    for (const name of indexes) database.exec(`DROP INDEX ${name}`);
    database.close();
    const { indexes: missing } = await complaints(place.args);
    for (const name of indexes) expect(missing).toContain(name);
  });

  test("files that are no stores, and those that could be better", async () => {
    const folder = join(place.url, "..");
    const [text, empty] = [join(folder, "text.db"), join(folder, "empty.db")];
    await writeFile(text, "no database at all, but a text that is long enough".repeat(20));
    new Database(empty).exec("CREATE TABLE books (title)").close();
    const found = await Promise.all(
      [text, empty, join(folder, "none.db")].map((path) => complaints(["--store", path])),
    );
    expect(found).toEqual([
      { file: expect.stringContaining("not a database") },
      { journal: expect.stringContaining("delete"), schema: expect.stringContaining("no tables") },
      { connection: expect.stringContaining("no file") },
    ]);
  });

  test("a network disk, and one that is full", () => {
    expect([0x6969, -11_317_950, 0xff534d42, 0xef53].map((type) => diskFinding(type).level)).toEqual([
      "problem",
      "problem",
      "problem",
      "ok",
    ]);
    expect([2 ** 20, 2 ** 40].map((bytes) => roomFinding(bytes).level)).toEqual(["problem", "ok"]);
  });
});

describe("PostgreSQL", () => {
  const place = postgres.use();

  test("a pooler that swallows notifications, missing indexes, tables without autovacuum, another schema", async () => {
    // A server for tests may be set to be fast.
    const { durability, autovacuum, connections, ...others } = await complaints(place.args);
    expect(others).toEqual({});
    expect((await complaints([...place.args, "--schema", "other"]))["schema"]).toContain("no tables");
    const client = new pg.Client({ connectionString: place.url });
    await client.connect();
    const { rows } = await client.query<{ name: string; table: string; key: string | null }>(
      `SELECT i.relname AS name, t.relname AS "table", k.conname AS key FROM pg_index x
        JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
        LEFT JOIN pg_constraint k ON k.conindid = x.indexrelid AND k.conrelid = t.oid
        WHERE t.relnamespace = 'mcp_tasks'::regnamespace`,
    );
    expect(rows.length).toBeGreaterThan(15);
    for (const { name, table, key } of rows)
      await client.query(
        key === null ? `DROP INDEX mcp_tasks.${name}` : `ALTER TABLE mcp_tasks.${table} DROP CONSTRAINT ${key} CASCADE`,
      );
    await client.query("ALTER TABLE mcp_tasks.tasks SET (autovacuum_enabled = false)");
    await client.query(`ALTER DATABASE ${new URL(place.url).pathname.slice(1)} SET synchronous_commit = off`);
    await client.end();
    const pooler = await PostgresProxy.start(place.url, { dropNotifications: true });
    const found = await complaints(["--store", pooler.url]);
    await pooler.end();
    for (const { name } of rows) expect(found["indexes"]).toContain(name);
    expect(found).toMatchObject({
      listen: expect.stringContaining("pooler"),
      indexes: expect.stringContaining("tasks_by_owner"),
      autovacuum: "autovacuum is off for tasks",
      durability: expect.stringMatching(/synchronous_commit|fsync|full_page_writes/),
    });
  });

  test("a server that cannot be reached, without credentials", async () => {
    const { stdout } = await mcpTasks(["doctor", "--store", "postgres://bob:hush-hush@127.0.0.1:1/tasks"]);
    expect(stdout).toMatch(/^✗ connection .*ECONNREFUSED/);
    expect(stdout).not.toContain("hush-hush");
  });
});

describe("Redis", () => {
  const place = redis.use();

  test("eviction, and no append-only file", async () => {
    const { persistence, eviction, ...others } = await complaints(place.args);
    expect(others).toEqual({});
    const memory = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
    const server = await startOwnRedis({ args: [...memory, "--appendonly", "no"] });
    try {
      expect(await complaints(["--store", server.url])).toEqual({
        eviction: "Redis evicts tasks when memory is short: maxmemory-policy is allkeys-lru",
        persistence: expect.stringContaining("no append-only file"),
      });
    } finally {
      await server.stop();
    }
  });
});

describe("what a failover may lose", () => {
  test.each([
    ["ok", { standbys: 0, synchronous: 0 }, { names: "", commit: "on" }],
    ["note", { standbys: 2, synchronous: 0 }, { names: "", commit: "on" }],
    ["ok", { standbys: 2, synchronous: 1 }, { names: "*", commit: "on" }],
    ["warning", { standbys: 2, synchronous: 1 }, { names: "*", commit: "local" }],
    ["problem", { standbys: 1, synchronous: 0 }, { names: "other", commit: "on" }],
  ] as const)("PostgreSQL: %s with %j and %j", (level, standbys, settings) => {
    expect(postgresDoctor.replicationFinding(standbys, settings).level).toBe(level);
  });

  test.skipIf(executable("redis-server") === undefined)(
    "Redis: replicas without and with min-replicas-to-write, and in a cluster",
    async () => {
      const started = await startRedisSentinels();
      const primary = new Redis(started.primary.url);
      try {
        const found = await complaints(["--store", started.primary.url]);
        expect(found["replication"]).toContain("min-replicas-to-write is 0");
        await primary.config("SET", "min-replicas-to-write", "1");
        const { replication, ...others } = await complaints(["--store", started.primary.url]);
        expect([replication, others]).toEqual([undefined, {}]);
      } finally {
        primary.disconnect();
        await started.stop();
      }
      const cluster = { role: "master", connected_slaves: "1", cluster_enabled: "1" };
      expect(redisDoctor.replicationFinding(new Map(Object.entries(cluster)))).toMatchObject({ level: "note" });
      expect(redisDoctor.replicationFinding(new Map([["role", "slave"]]))).toEqual([]);
      const synced = new Map([["aof_enabled", "1"]]);
      expect(redisDoctor.persistenceFinding(synced, "everysec").level).toBe("note");
      expect(redisDoctor.persistenceFinding(synced, "always").level).toBe("ok");
    },
  );
});

test("a name whose workers are behind, and one that has none", () => {
  const name = {
    counts: { working: 3, input_required: 0, completed: 0, failed: 0, cancelled: 0 },
    claimable: 2,
    oldestClaimableMs: 300_000,
    stuck: 0,
    paused: false,
  };
  const found = workersFinding({ render: { ...name, running: 1 }, paint: { ...name, running: 0 } });
  expect([found].flat().map(({ message }) => message)).toEqual([
    "the workers of render are behind: 2 tasks of render can be claimed, the oldest for 5m",
    "no worker runs tasks of paint: 2 tasks of paint can be claimed, the oldest for 5m",
  ]);
  expect(workersFinding({ render: { ...name, oldestClaimableMs: 1000, running: 0 } })).toMatchObject({ level: "ok" });
});

test("a clock that is wrong by more than the time of the question", () => {
  const now = 1_000_000;
  expect(clockFinding(now, now - 10, now + 10).level).toBe("ok");
  expect(clockFinding(now - 60_000, now, now + 10).message).toContain("1m ahead");
  expect(clockFinding(now + 60_000, now, now + 10).message).toContain("59s behind");
});
