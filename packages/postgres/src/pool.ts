import pg from "pg";
import type { PostgresSettings } from "./options.ts";

/** The part of a connection of a `pg` pool that the store uses. */
export interface PgClient {
  query(query: PgQuery): Promise<{ rows: unknown[] }>;
  release(destroy?: boolean): void;
  on(event: "error" | "end", listener: () => void): unknown;
  on(event: "notification", listener: (message: { channel: string; payload?: string | undefined }) => void): unknown;
  removeListener(event: "error" | "end", listener: () => void): unknown;
  unref?(): void;
}

/** The part of a `pg` pool that the store uses: pass one of your own as the `pool` option. */
export interface PgPool {
  connect(): Promise<PgClient>;
  readonly options?: { readonly max?: number | undefined } | undefined;
}

export interface PgQuery {
  text: string;
  name?: string;
  values?: unknown[];
  types?: { getTypeParser(oid: number, format?: string): (value: string) => unknown };
}

/** A pool that is the store's own. Nothing connects until a connection is asked for. */
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
  // An idle connection that ends is replaced when the next one is needed. Without a listener it would end the process.
  pool.on("error", () => undefined);
  return pool;
}
