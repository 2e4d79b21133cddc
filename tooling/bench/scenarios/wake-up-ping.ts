import { Redis } from "ioredis";
import pg from "pg";
import { openSqlite, type Place } from "../places.ts";

/** The cheapest request to the database, which measures the time to reach it. */
export async function pingOf(place: Place, cleanUp: AsyncDisposableStack): Promise<() => Promise<unknown>> {
  switch (place.store) {
    case "sqlite": {
      const statement = openSqlite(place, cleanUp).prepare("SELECT 1");
      return async () => statement.get();
    }
    case "postgres": {
      const pool = new pg.Pool({ connectionString: place.url, max: 1, idleTimeoutMillis: 0 });
      pool.on("error", () => undefined);
      cleanUp.defer(() => pool.end());
      const ping = () => pool.query({ name: "ping", text: "SELECT 1" });
      // Connects.
      await ping();
      return ping;
    }
    case "redis": {
      const redis = new Redis(place.url);
      cleanUp.defer(() => redis.disconnect());
      return () => redis.ping();
    }
    case "memory":
      throw new Error("there is nothing to reach");
  }
}
