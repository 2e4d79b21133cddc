import { createRequire } from "node:module";
import { type PgPool, PostgresTaskStore, type TaskStoreOptions } from "@mcp-task-store/postgres";
import type pg from "pg";
import { neonPool } from "./neon.ts";

/** The first version in the range of the peer dependency. */
export const oldestPg = createRequire(import.meta.url)("pg-oldest") as typeof pg;

/** How a process makes a pool. It can be passed on as JSON. */
export interface PoolPlan {
  readonly driver: "the oldest pg" | "Neon";
  readonly url: string;
  readonly schema: string;
  /** The address of the WebSocket proxy. */
  readonly proxy?: string | undefined;
}

export function poolBy({ driver, url, proxy = "" }: PoolPlan): PgPool & { end(): Promise<void> } {
  if (driver === "Neon") return neonPool(url, proxy, 5);
  const pool = new oldestPg.Pool({ connectionString: url, max: 5 });
  pool.on("error", () => undefined);
  return pool;
}

/** Opens a store in another process for the conformance suite. */
export function open(plan: PoolPlan, options: TaskStoreOptions | undefined): PostgresTaskStore {
  const pool = poolBy(plan);
  const store = new PostgresTaskStore({ connectTimeoutMs: 15_000, ...options, pool, schema: plan.schema });
  const close = store.close.bind(store);
  // An idle connection of Neon's keeps its process alive.
  store.close = async () => {
    await close();
    await pool.end();
  };
  return store;
}
