import type { PostgresTaskStore, PostgresTaskStoreOptions } from "@mcp-task-store/postgres";
import type { RedisTaskStore, RedisTaskStoreOptions } from "@mcp-task-store/redis";

export type BackendName = "postgres" | "redis";
export type Store = PostgresTaskStore | RedisTaskStore;
export type StoreOptions = Partial<PostgresTaskStoreOptions & RedisTaskStoreOptions>;

/** Longest that one attempt to reach the server, or one statement, takes: more than a working server needs on a machine that stalls. */
const PATIENCE_MS = 1500;
/**
 * No call takes longer, whatever the fault: a connection, a statement, and the second that a server is given to end it, with
 * time to spare for a slow machine.
 */
export const BOUND_MS = 3 * PATIENCE_MS + 20_000;

/** For a store that is to meet no fault: however slow the machine, its calls are not given up. */
export const PATIENT: StoreOptions = {
  connectTimeoutMs: 30_000,
  statementTimeoutMs: 30_000,
  commandTimeoutMs: 30_000,
};

/** Loads no more than this store, for processes that are started often. */
export async function openStore(name: BackendName, url: string, options: StoreOptions = {}): Promise<Store> {
  if (name === "postgres") {
    const { PostgresTaskStore } = await import("@mcp-task-store/postgres");
    const patience = { connectTimeoutMs: PATIENCE_MS, statementTimeoutMs: PATIENCE_MS };
    return new PostgresTaskStore({ connectionString: url, ...patience, sweepIntervalMs: false, ...options });
  }
  const { RedisTaskStore } = await import("@mcp-task-store/redis");
  return new RedisTaskStore({ url, commandTimeoutMs: PATIENCE_MS, sweepIntervalMs: false, ...options });
}
