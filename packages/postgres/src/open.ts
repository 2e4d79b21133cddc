import { TaskStoreError } from "@mcp-task-store/core";
import type { Pool } from "pg";
import type { PgPool } from "./driver.ts";
import type { PostgresSettings } from "./options.ts";

/** The store's own pool. It loads pg when the first call asks for a connection. */
export interface OwnPool extends PgPool {
  end(): Promise<void>;
}

export function makePool(settings: PostgresSettings, serverTimeouts: boolean): OwnPool {
  let pool: Pool | undefined;
  let opening: Promise<Pool> | undefined;
  async function open(): Promise<Pool> {
    try {
      pool = await newPool(settings, serverTimeouts);
      return pool;
    } finally {
      opening = undefined;
    }
  }
  async function opened(): Promise<Pool> {
    opening ??= open();
    return opening;
  }
  return {
    options: { max: settings.maxConnections },
    connect: () => pool?.connect() ?? opened().then((made) => made.connect()),
    async end() {
      await opening?.catch(() => undefined);
      await pool?.end();
    },
  };
}

async function newPool(settings: PostgresSettings, serverTimeouts: boolean): Promise<Pool> {
  const { default: pg } = await import("pg").catch((error: unknown) => {
    throw new TaskStoreError(
      "INVALID_ARGUMENT",
      "connectionString needs the driver pg, which cannot be loaded: run npm install pg, or give the store a pool",
      { cause: error },
    );
  });
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
  guardHandOver(pool);
  return pool;
}

const guarded = new WeakSet<PgPool>();

/**
 * Between a pool's new connection and the code that asked for it lies a turn of promises, in which
 * nothing listens for the connection's errors. A server that ends the connection in this turn would
 * end the process.
 */
export function guardHandOver(pool: PgPool): void {
  if (guarded.has(pool)) return;
  guarded.add(pool);
  pool.on?.("connect", (client) => {
    const ignore = () => undefined;
    client.on("error", ignore);
    setImmediate(() => client.removeListener("error", ignore));
  });
}
