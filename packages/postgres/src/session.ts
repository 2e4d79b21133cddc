import { randomUUID } from "node:crypto";
import type { PgClient, PgQuery } from "./driver.ts";

/** The events of a pg connection, or of one in its shape, with the server's messages. */
interface Events {
  prependListener(event: "readyForQuery", listener: (message: { status?: string }) => void): unknown;
}

/**
 * The last transaction status by connection, for drivers that do not keep it (older pg, Neon's).
 */
const seen = new WeakMap<object, { status: string | undefined }>();

/**
 * Whether the server's last answer reported an open transaction. `undefined` if the driver does not
 * show that.
 */
export function isInTransaction(client: PgClient): boolean | undefined {
  const status = typeof client.getTransactionStatus === "function" ? client.getTransactionStatus() : statusSeen(client);
  return status === "I" ? false : status === "T" || status === "E" ? true : undefined;
}

/** The driver has nothing to send before the next query. */
export function isReady(client: PgClient): boolean {
  return (client as { readyForQuery?: unknown }).readyForQuery !== false;
}

/**
 * Asks the server in two round trips. A setting local to a transaction survives only if one is
 * open.
 */
export async function askIfInTransaction(query: (query: PgQuery) => Promise<readonly unknown[]>): Promise<boolean> {
  const token = randomUUID();
  await query({ text: "SELECT set_config('mcp_task_store.transaction', $1, true)", values: [token] });
  const [row] = await query({ text: "SELECT current_setting('mcp_task_store.transaction', true) AS token" });
  return (row as { token: unknown } | undefined)?.token === token;
}

/**
 * Whether `SET` has changed the role or a setting that can make the server refuse a statement.
 * Settings that came with the connection do not count.
 */
export const SETTINGS_CHANGED = `SELECT
  current_user <> (SELECT usename FROM pg_stat_activity WHERE pid = pg_backend_pid())
  OR EXISTS (SELECT FROM pg_settings WHERE source = 'session'
    AND name IN ('default_transaction_read_only', 'statement_timeout', 'lock_timeout')) AS changed`;

function statusSeen(client: PgClient): string | undefined {
  const { connection } = client as { connection?: Partial<Events> };
  if (typeof connection?.prependListener !== "function") return undefined;
  const known = seen.get(connection);
  if (known) return known.status;
  const first: { status: string | undefined } = { status: undefined };
  seen.set(connection, first);
  // Ahead of the driver's own listener, which lets the call continue.
  connection.prependListener("readyForQuery", ({ status }) => {
    first.status = status;
  });
  return undefined;
}
