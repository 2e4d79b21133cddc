import type { Harness } from "@mcp-task-store/core/conformance";
import { PostgresTaskStore, type PostgresTaskStoreOptions } from "@mcp-task-store/postgres";
import { PostgresProxy } from "./proxy.ts";
import { newSchema, sql } from "./sql.ts";

/**
 * For the conformance suite. Each place is its own schema, behind a proxy that a case can cut.
 * @param pooled A pooler before the database, for everything but LISTEN.
 */
export function postgresHarness(
  name: string,
  database: { readonly url: string },
  variant: Partial<PostgresTaskStoreOptions> = {},
  pooled?: { readonly url: string },
): Harness {
  return {
    name,
    capabilities: { durable: true, multiProcess: true, outage: true },
    patienceMs: 20_000,
    async isolate() {
      const proxy = await PostgresProxy.start(pooled?.url ?? database.url);
      const direct = pooled && (await PostgresProxy.start(database.url));
      const proxies = direct ? [proxy, direct] : [proxy];
      const schema = newSchema();
      const options = {
        connectionString: proxy.url,
        schema,
        maxConnections: 5,
        // An outage refuses connections at once. Only a slow machine takes long.
        connectTimeoutMs: 15_000,
        listenConnectionString: direct?.url,
        ...variant,
      };
      return {
        open: (more) => new PostgresTaskStore({ ...options, ...more }),
        remote: { module: new URL("remote.ts", import.meta.url).href, argument: options },
        outage: {
          begin: () => Promise.all(proxies.map((each) => each.end())).then(() => undefined),
          end: () => Promise.all(proxies.map((each) => each.begin())).then(() => undefined),
        },
        async destroy() {
          for (const each of proxies) await each.end();
          await sql(database.url, `DROP SCHEMA IF EXISTS "${schema.replaceAll('"', '""')}" CASCADE`);
        },
      };
    },
  };
}
