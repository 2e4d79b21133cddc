import pg from "pg";
import { type Life, lifeIn } from "../lives.ts";
import type { Address } from "../places.ts";

/**
 * The task store of @adcp/sdk, for SDK 1.x: one table, a statement for each call. The package is
 * loaded only here, because the store comes with an SDK for advertising.
 */
export async function adcpLife({ url }: Address & { store: "postgres" }, cleanUp: AsyncDisposableStack): Promise<Life> {
  const { getMcpTasksMigration, PostgresTaskStore } = await import("@adcp/sdk/server");
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  cleanUp.defer(() => pool.end());
  await pool.query(getMcpTasksMigration());
  return lifeIn(new PostgresTaskStore(pool), null);
}
