import type { Harness } from "@mcp-task-store/core/conformance";
import { PostgresTaskStore, type PostgresTaskStoreOptions } from "@mcp-task-store/postgres";
import { PostgresProxy } from "./proxy.ts";
import { newSchema, sql } from "./sql.ts";

/** For the conformance suite. Each place is its own schema, behind a proxy that a case can cut. */
export function postgresHarness(
  name: string,
  database: { readonly url: string },
  variant: Partial<PostgresTaskStoreOptions> = {},
): Harness {
  return {
    name,
    capabilities: { durable: true, multiProcess: true, outage: true },
    async isolate() {
      const proxy = await PostgresProxy.start(database.url);
      const schema = newSchema();
      const options = { connectionString: proxy.url, schema, maxConnections: 5, ...variant };
      return {
        open: (more) => new PostgresTaskStore({ ...options, ...more }),
        remote: { module: new URL("remote.ts", import.meta.url).href, argument: options },
        outage: { begin: () => proxy.end(), end: () => proxy.begin() },
        async destroy() {
          await proxy.end();
          await sql(database.url, `DROP SCHEMA IF EXISTS "${schema.replaceAll('"', '""')}" CASCADE`);
        },
      };
    },
  };
}
