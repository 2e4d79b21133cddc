import { PostgresTaskStore, type PostgresTaskStoreOptions } from "@mcp-task-store/postgres";
import pg from "pg";
import { onTestFinished } from "vitest";
import { newSchema, poolOf } from "./sql.ts";

/** A store in a schema of its own, which closes with the test, and its quoted schema. */
export function openStore(url: string, options: PostgresTaskStoreOptions = {}) {
  const schema = newSchema();
  const place = options.pool ? { schema } : { connectionString: url, schema };
  const store = new PostgresTaskStore({ ...place, ...options });
  onTestFinished(() => store.close());
  return { store, tables: `"${schema.replaceAll('"', '""')}"` };
}

/** A connection that ends with the test. */
export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** Statements sent together, with the rows of each. After they have run, the text is the last's. */
export interface SentTogether {
  readonly text: string;
  readonly values: unknown[];
  readonly results: readonly { readonly rows: readonly Record<string, unknown>[] }[];
}

/** A pool that keeps what the store sends over it. */
export function recordingPool(url: string): { pool: pg.Pool; sent: SentTogether[] } {
  const sent: SentTogether[] = [];
  class Client extends pg.Client {}
  const { query } = pg.Client.prototype as { query: (...args: unknown[]) => unknown };
  Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    if (Object.hasOwn(args[0] as object, "results")) sent.push(args[0] as SentTogether);
    return query.apply(this, args);
  } as typeof Client.prototype.query;
  return { pool: poolOf(url, { Client }), sent };
}
