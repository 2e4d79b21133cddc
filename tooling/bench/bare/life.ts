import { Redis } from "ioredis";
import pg from "pg";
import type { Life } from "../lives.ts";
import { type Address, openSqlite } from "../places.ts";
import { barePostgres } from "./postgres.ts";
import { bareRedis } from "./redis.ts";
import { bareSqlite } from "./sqlite.ts";

/** The lifecycle on the bare driver of a database. */
export async function bareLife(
  address: Exclude<Address, { store: "memory" }>,
  ttl: number | null,
  cleanUp: AsyncDisposableStack,
): Promise<{ driver: string; life: Life }> {
  switch (address.store) {
    case "sqlite":
      return { driver: "better-sqlite3", life: bareSqlite(openSqlite(address, cleanUp), ttl) };
    case "postgres": {
      const pool = new pg.Pool({ connectionString: address.url, max: 10 });
      cleanUp.defer(() => pool.end());
      return { driver: "pg", life: await barePostgres(pool, ttl) };
    }
    case "redis": {
      const redis = new Redis(address.url);
      cleanUp.defer(() => redis.disconnect());
      return { driver: "ioredis", life: await bareRedis(redis, address.prefix, ttl) };
    }
  }
}
