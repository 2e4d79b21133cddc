import type { TaskStoreOptions } from "@mcp-task-store/core";
import type { PostgresTaskStore } from "@mcp-task-store/postgres";
import type { RedisTaskStore } from "@mcp-task-store/redis";

export type BackendName = "postgres" | "redis";
export type Store = PostgresTaskStore | RedisTaskStore;
export type StoreOptions = TaskStoreOptions & {
  /** Longest time for one attempt to reach the server, or for one statement. */
  readonly patienceMs?: number;
};

/**
 * Longest time for one attempt to reach the server, or for one statement. A working server needs
 * less, even on a machine that stalls.
 */
const PATIENCE_MS = 1500;
/**
 * Longest time of a call under any fault: a connection, a statement, and 1 s for the server to end
 * it, plus a reserve for slow machines.
 */
export const BOUND_MS = 3 * PATIENCE_MS + 20_000;

/** For a store without faults. Its calls do not time out, even on a slow machine. */
export const PATIENT: StoreOptions = { patienceMs: 30_000 };

/** Loads only this store, for processes that are started often. */
export async function openStore(
  name: BackendName,
  url: string,
  { patienceMs = PATIENCE_MS, ...options }: StoreOptions = {},
): Promise<Store> {
  if (name === "postgres") {
    const { PostgresTaskStore } = await import("@mcp-task-store/postgres");
    const patience = { connectTimeoutMs: patienceMs, statementTimeoutMs: patienceMs };
    return new PostgresTaskStore({ connectionString: url, ...patience, sweepIntervalMs: false, ...options });
  }
  const { RedisTaskStore } = await import("@mcp-task-store/redis");
  return new RedisTaskStore({ url, commandTimeoutMs: patienceMs, sweepIntervalMs: false, ...options });
}
