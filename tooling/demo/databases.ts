/** Databases for the stores that need one: a server, with a place for one run of the demo. */

import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { Client } from "pg";
import { describeServer, startPostgres, startRedis } from "../databases/index.ts";
import type { Place } from "./place.ts";

/** A new schema, which is dropped at the end. The store creates it. */
export async function placeInPostgres(cleanUp: AsyncDisposableStack): Promise<Place> {
  const server = await startPostgres();
  cleanUp.defer(() => server.stop());
  const schema = newName();
  cleanUp.defer(async () => {
    const client = new Client({ connectionString: server.url });
    await client.connect();
    await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`).finally(() => client.end());
  });
  return { address: server.url, name: schema, origin: describeServer("PostgreSQL", server) };
}

/** A new prefix, whose keys are deleted at the end. */
export async function placeInRedis(cleanUp: AsyncDisposableStack): Promise<Place> {
  const server = await startRedis();
  cleanUp.defer(() => server.stop());
  const prefix = newName();
  cleanUp.defer(async () => {
    const redis = new Redis(server.url);
    try {
      for await (const keys of redis.scanStream({ match: `{${prefix}}*`, count: 1000 })) {
        if (keys.length > 0) await redis.unlink(keys);
      }
    } finally {
      redis.disconnect();
    }
  });
  return { address: server.url, name: prefix, origin: describeServer("Redis", server) };
}

function newName(): string {
  return `demo_${randomUUID().replaceAll("-", "")}`;
}
