/** The measured databases with their settings. Every setting is read from the database. */

import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { Client } from "pg";
import { describeServer, startPostgres, startRedis } from "../databases/index.ts";
import { type InForce, openSqlite, type Place, type Synchronous } from "./places.ts";
import { postgresCpu, redisCpu, type ServerCpu } from "./server-cpu.ts";
import type { StoreName } from "./stores.ts";

/** A database of one kind, set up in one way. */
export interface Host {
  readonly variant: string;
  /** Product, version, and how the server was found or started. */
  readonly server: string;
  readonly settings: InForce;
  /** If there is a server, and it is on this machine. */
  readonly serverCpu?: ServerCpu | undefined;
  /** Makes a place for one scenario. */
  place(cleanUp: AsyncDisposableStack): Promise<Place>;
}

type Start = (cleanUp: AsyncDisposableStack) => Promise<Host>;

/** The variants of a store to measure, which start one after the other. */
export function hostsOf(store: StoreName): readonly Start[] {
  switch (store) {
    case "memory":
      return [startMemory];
    case "sqlite":
      return [(cleanUp) => sqliteHost("NORMAL", cleanUp), (cleanUp) => sqliteHost("FULL", cleanUp)];
    case "postgres":
      return [postgresHost];
    case "redis":
      // A server named by a variable keeps its settings.
      if (process.env["TEST_REDIS_URL"]) return [(cleanUp) => redisHost("as given", [], cleanUp)];
      return [
        (cleanUp) => redisHost("no AOF", ["--appendonly", "no"], cleanUp),
        (cleanUp) => redisHost("AOF everysec", ["--appendonly", "yes", "--appendfsync", "everysec"], cleanUp),
        (cleanUp) => redisHost("AOF always", ["--appendonly", "yes", "--appendfsync", "always"], cleanUp),
      ];
  }
}

async function startMemory(): Promise<Host> {
  const variant = "in the process";
  return { variant, server: "none", settings: {}, place: async () => ({ store: "memory", variant }) };
}

async function sqliteHost(synchronous: Synchronous, outer: AsyncDisposableStack): Promise<Host> {
  const variant = `synchronous ${synchronous}`;
  const place = async (cleanUp: AsyncDisposableStack): Promise<Place> => {
    const folder = await mkdtemp(join(tmpdir(), "bench-"));
    cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
    return { store: "sqlite", path: join(folder, "tasks.db"), synchronous, variant };
  };
  const trial = await place(outer);
  const database = openSqlite(trial as Place & { store: "sqlite" }, outer);
  const names = ["journal_mode", "synchronous", "wal_autocheckpoint", "page_size", "cache_size"];
  const settings = Object.fromEntries(
    names.map((name) => [name, String(database.pragma(name, { simple: true }))] as const),
  );
  const version = database.prepare("SELECT sqlite_version()").pluck().get();
  return { variant, server: `SQLite ${version}: within better-sqlite3`, settings, place };
}

async function postgresHost(outer: AsyncDisposableStack): Promise<Host> {
  const server = await startPostgres({ settings: { fsync: "on", synchronous_commit: "on", full_page_writes: "on" } });
  outer.defer(() => server.stop());
  const client = new Client({ connectionString: server.url });
  await client.connect();
  outer.defer(() => client.end());
  const settings: Record<string, string> = {};
  const names = [
    ...["fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers", "max_wal_size"],
    ...["checkpoint_timeout", "max_connections"],
  ];
  for (const name of names) settings[name] = (await client.query(`SHOW ${name}`)).rows[0][name];
  const variant = `synchronous_commit ${settings["synchronous_commit"]}, fsync ${settings["fsync"]}`;
  return {
    variant,
    server: describeServer("PostgreSQL", server),
    settings,
    serverCpu: await postgresCpu(client),
    async place(cleanUp) {
      const name = newName();
      await client.query(`CREATE DATABASE ${name}`);
      cleanUp.defer(() => drop(client, name));
      const url = new URL(server.url);
      url.pathname = name;
      return { store: "postgres", url: String(url), schema: "mcp_tasks", variant };
    },
  };
}

/**
 * A pool ends before its connections have closed. If the server closed them first, the pool would
 * report an error.
 */
async function drop(client: Client, database: string): Promise<void> {
  for (let looks = 0; looks < 200; looks += 1) {
    const { rows } = await client.query("SELECT FROM pg_stat_activity WHERE datname = $1", [database]);
    if (rows.length === 0) break;
    await sleep(20);
  }
  await client.query(`DROP DATABASE ${database} WITH (FORCE)`);
}

async function redisHost(variant: string, args: readonly string[], outer: AsyncDisposableStack): Promise<Host> {
  const server = await startRedis({ args });
  outer.defer(() => server.stop());
  const redis = new Redis(server.url);
  outer.defer(() => redis.disconnect());
  const settings: Record<string, string> = {};
  for (const name of ["appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy", "io-threads"]) {
    const [, value] = (await redis.config("GET", name)) as string[];
    if (value !== undefined) settings[name] = value;
  }
  return {
    variant,
    server: describeServer("Redis", server),
    settings,
    serverCpu: redisCpu(redis, server.url),
    async place(cleanUp) {
      const prefix = newName();
      cleanUp.defer(() => deleteKeys(redis, prefix));
      return { store: "redis", url: server.url, prefix, variant };
    },
  };
}

/** All keys of a scenario contain its prefix, even those of other libraries. */
async function deleteKeys(redis: Redis, prefix: string): Promise<void> {
  for await (const keys of redis.scanStream({ match: `*${prefix}*`, count: 1000 })) {
    if (keys.length > 0) await redis.unlink(keys);
  }
}

function newName(): string {
  return `bench_${randomUUID().replaceAll("-", "")}`;
}
