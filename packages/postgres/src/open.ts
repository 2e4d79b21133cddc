import pg from "pg";
import type { PgPool } from "./driver.ts";
import type { PostgresSettings } from "./options.ts";

/** The store's own pool. It connects when the first call asks for a connection. */
export interface OwnPool extends PgPool {
  end(): Promise<void>;
}

export function makePool(settings: PostgresSettings, serverTimeouts: boolean): OwnPool {
  const pool = new pg.Pool({
    connectionString: settings.connectionString,
    max: settings.maxConnections,
    connectionTimeoutMillis: settings.connectTimeoutMs,
    fallback_application_name: "mcp-task-store",
    keepAlive: true,
    // An idle connection does not keep the process alive.
    allowExitOnIdle: true,
    ...(serverTimeouts ? { statement_timeout: settings.statementTimeoutMs } : {}),
  });
  // The pool replaces an idle connection that ends. Without a listener, the event would end the
  // process.
  pool.on("error", () => undefined);
  return pool;
}
