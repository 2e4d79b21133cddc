import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PAYLOAD_FIELDS, type TaskBackend } from "@mcp-task-store/core/backend";
import { Redis } from "ioredis";
import { Client } from "pg";
import { onTestFinished } from "vitest";
import type { Place } from "../fixtures/stores.ts";

/** A backend over the place's tasks, which sees payloads as they are stored. */
export async function rawBackend(place: Place): Promise<TaskBackend> {
  const backend = place.openBackend();
  await backend.open({ report: () => undefined });
  onTestFinished(() => backend.close());
  return backend;
}

/** All that the database has. */
export async function dumpOf(place: Place): Promise<string> {
  const { address } = place;
  switch (address?.kind) {
    case "SQLite":
      return bytesIn(dirname(address.path));
    case "PostgreSQL":
      return rowsOf(address.connectionString, address.schema);
    case "Redis":
      return valuesOf(address.url, `${address.keyPrefix}{${address.prefix}}:`);
    case undefined:
      return everythingIn(await rawBackend(place));
  }
}

function bytesIn(folder: string): string {
  return readdirSync(folder)
    .map((file) => readFileSync(join(folder, file), "latin1"))
    .join("\n");
}

async function rowsOf(connectionString: string, schema: string): Promise<string> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    const tables = await client.query("SELECT tablename FROM pg_tables WHERE schemaname = $1", [schema]);
    const rows: unknown[] = [];
    for (const { tablename } of tables.rows)
      rows.push((await client.query(`SELECT t::text FROM "${schema}"."${tablename}" t`)).rows);
    return JSON.stringify(rows);
  } finally {
    await client.end();
  }
}

async function valuesOf(url: string, prefix: string): Promise<string> {
  const redis = new Redis(url);
  try {
    const values: unknown[] = [];
    for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1000 }))
      for (const key of keys as string[]) values.push(key, await valueAt(redis, key));
    return JSON.stringify(values);
  } finally {
    redis.disconnect();
  }
}

async function valueAt(redis: Redis, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case "hash":
      return redis.hgetall(key);
    case "list":
      return redis.lrange(key, 0, -1);
    case "zset":
      return redis.zrange(key, "0", "-1");
    case "set":
      return redis.smembers(key);
    case "stream":
      return redis.xrange(key, "-", "+");
    default:
      return redis.get(key);
  }
}

/** All that the backend returns, for tasks that no database has. */
async function everythingIn(backend: TaskBackend): Promise<string> {
  const tasks = await backend.list({ scope: null, after: null, limit: 100 });
  const ids = tasks.map(({ taskId }) => taskId);
  const notifiers = (await backend.events?.registered()) ?? [];
  return JSON.stringify([
    await backend.readMany(ids, [...PAYLOAD_FIELDS, "history"]),
    await backend.messagesOf?.(ids),
    await backend.stepsOf?.(ids),
    await Promise.all(notifiers.map(({ name }) => backend.events?.list(name, false, 0, 100))),
  ]);
}
