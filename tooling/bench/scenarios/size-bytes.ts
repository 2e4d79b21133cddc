import { stat } from "node:fs/promises";
import { Redis } from "ioredis";
import { Client } from "pg";
import { openSqlite, type Place } from "../places.ts";

/** Another place on the same database: a file, a schema or a prefix of its own. */
export function apart(place: Place, name: string): Place {
  switch (place.store) {
    case "memory":
      return place;
    case "sqlite":
      return { ...place, path: `${place.path}-${name}` };
    case "postgres": {
      const url = new URL(place.url);
      // For the bare driver, whose statements name no schema.
      url.searchParams.set("options", `-c search_path=${name}`);
      return { ...place, url: String(url), schema: name };
    }
    case "redis":
      return { ...place, prefix: `${place.prefix}_${name}` };
  }
}

/** Tables with their indexes and what is stored out of the rows. */
const SIZE = `SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::float8 AS bytes
  FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r'`;

/** Counts the bytes that everything in a place takes. On PostgreSQL it makes the schema. */
export async function bytesOf(place: Place, cleanUp: AsyncDisposableStack): Promise<() => Promise<number>> {
  switch (place.store) {
    case "memory":
      return async () => {
        for (let times = 0; times < 3; times += 1) await globalThis.gc?.({ type: "major", execution: "async" });
        const { heapUsed, external } = process.memoryUsage();
        return heapUsed + external;
      };
    case "sqlite": {
      const database = openSqlite(place, cleanUp);
      return async () => {
        // Moves what the log holds into the file.
        database.pragma("wal_checkpoint(TRUNCATE)");
        return (await stat(place.path)).size;
      };
    }
    case "postgres": {
      const client = new Client({ connectionString: place.url });
      await client.connect();
      cleanUp.defer(() => client.end());
      await client.query(`CREATE SCHEMA ${place.schema}`);
      return async () => (await client.query(SIZE, [place.schema])).rows[0].bytes;
    }
    case "redis": {
      const redis = new Redis(place.url);
      cleanUp.defer(() => redis.disconnect());
      return async () => Number(/^used_memory:(\d+)/m.exec(await redis.info("memory"))?.[1]);
    }
  }
}
