import type { TaskStore } from "@mcp-task-store/core";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import { Redis } from "ioredis";
import pg from "pg";
import { openSqlite, openStore, type Place } from "../places.ts";

/**
 * A store, and the number of its database's operations so far, by the database's own count if it
 * has one.
 */
export interface Counted {
  readonly store: TaskStore;
  readonly count: () => Promise<number>;
}

export async function openCounted(place: Place, cleanUp: AsyncDisposableStack): Promise<Counted> {
  switch (place.store) {
    case "sqlite":
      return countedSqlite(place, cleanUp);
    case "postgres":
      return { store: openStore(place, cleanUp), count: await transactions(place.url, cleanUp) };
    case "redis":
      return { store: openStore(place, cleanUp), count: commands(place.url, cleanUp) };
    case "memory":
      throw new Error("there is no database");
  }
}

/** Counts every statement, even polls for changes and transaction commands. */
function countedSqlite(place: Place & { store: "sqlite" }, cleanUp: AsyncDisposableStack): Counted {
  const database = openSqlite(place, cleanUp);
  let statements = 0;
  const counted = {
    get memory() {
      return database.memory;
    },
    get inTransaction() {
      return database.inTransaction;
    },
    exec: (sql: string) => database.exec(sql),
    close: () => database.close(),
    prepare(sql: string) {
      const statement = database.prepare<unknown[]>(sql);
      const tell = <T>(result: T): T => {
        statements += 1;
        return result;
      };
      return {
        run: (...parameters: unknown[]) => tell(statement.run(...parameters)),
        get: (...parameters: unknown[]) => tell(statement.get(...parameters)),
        all: (...parameters: unknown[]) => tell(statement.all(...parameters)),
        safeIntegers: (toggle?: boolean) => statement.safeIntegers(toggle),
      };
    },
  };
  const store = new SqliteTaskStore({ database: counted, sweepIntervalMs: false });
  cleanUp.defer(() => store.close());
  return { store, count: async () => statements };
}

/** Counts transactions. Each statement outside of one counts as its own. */
async function transactions(url: string, cleanUp: AsyncDisposableStack): Promise<() => Promise<number>> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  cleanUp.defer(() => client.end());
  const text = `SELECT (xact_commit + xact_rollback)::float8 AS count FROM pg_stat_database WHERE datname = current_database()`;
  return async () => (await client.query(text)).rows[0].count as number;
}

/** Counts commands, even those within scripts, but not those of this counter. */
function commands(url: string, cleanUp: AsyncDisposableStack): () => Promise<number> {
  const redis = new Redis(url);
  cleanUp.defer(() => redis.disconnect());
  return async () => {
    const stats = await redis.info("commandstats");
    let total = 0;
    for (const [, name, calls] of stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm))
      if (name !== "info" && name !== "ping") total += Number(calls);
    return total;
  };
}
