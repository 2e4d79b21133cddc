import pg from "pg";
import { onTestFinished } from "vitest";

/** A pool that ends with the test. */
export function poolOf(connectionString: string, options: pg.PoolConfig = {}): pg.Pool {
  const pool = new pg.Pool({ connectionString, ...options });
  pool.on("error", () => undefined);
  onTestFinished(() => pool.end());
  return pool;
}

/** Runs one statement on a new connection. */
export async function sql<Row>(connectionString: string, text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query(text, values)).rows;
  } finally {
    await client.end();
  }
}

let schemas = 0;

/** A unique schema name, which needs quotes. */
export function newSchema(): string {
  schemas += 1;
  return `Tasks "of" test ${schemas}`;
}
