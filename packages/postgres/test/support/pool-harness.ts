import type { Harness } from "@mcp-task-store/core/conformance";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { type PoolPlan, poolBy } from "./pools.ts";
import { PostgresProxy } from "./proxy.ts";
import { newSchema, sql } from "./sql.ts";

/** For the conformance suite, over pools of the application. Each store has a pool of its own. */
export function poolHarness(
  name: PoolPlan["driver"],
  database: { readonly url: string },
  webSocketProxy?: { readonly address: string },
): Harness {
  return {
    name: `PostgreSQL over ${name}`,
    capabilities: { durable: true, multiProcess: true, outage: true },
    patienceMs: 20_000,
    async isolate() {
      const proxy = await PostgresProxy.start(database.url);
      const plan: PoolPlan = { driver: name, url: proxy.url, schema: newSchema(), proxy: webSocketProxy?.address };
      const pools: ReturnType<typeof poolBy>[] = [];
      return {
        open(options) {
          const pool = poolBy(plan);
          pools.push(pool);
          return new PostgresTaskStore({ connectTimeoutMs: 15_000, ...options, pool, schema: plan.schema });
        },
        remote: { module: new URL("pools.ts", import.meta.url).href, argument: plan },
        outage: { begin: () => proxy.end(), end: () => proxy.begin() },
        async destroy() {
          await Promise.all(pools.map((pool) => pool.end()));
          await proxy.end();
          await sql(database.url, `DROP SCHEMA IF EXISTS "${plan.schema.replaceAll('"', '""')}" CASCADE`);
        },
      };
    },
  };
}
