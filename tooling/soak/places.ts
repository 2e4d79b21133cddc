import type { TaskStore, TaskStoreOptions } from "@mcp-task-store/core";
import { MemoryStorage, MemoryTaskStore } from "@mcp-task-store/memory";
import type { StoreName } from "../bench/stores.ts";

/** Where a store keeps its tasks. It is JSON, so that another process can open it. */
export interface Place {
  readonly store: StoreName;
  /** A file or a URL. */
  readonly address: string;
}

/** All stores of this process share the tasks of the memory store. */
const storage = new MemoryStorage();

/** Each package is imported on first use, so that no other database driver is loaded. */
export async function openPlace({ store, address }: Place, onError: () => void): Promise<TaskStore> {
  // Tasks are deleted while the soak lasts, so that the store's own size stays the same.
  const options: TaskStoreOptions = { limits: { ttl: { default: 120_000 } }, sweepIntervalMs: 2000, onError };
  switch (store) {
    case "memory":
      return new MemoryTaskStore({ ...options, storage });
    case "sqlite": {
      const { SqliteTaskStore } = await import("@mcp-task-store/sqlite");
      return new SqliteTaskStore({ ...options, path: address });
    }
    case "postgres": {
      const { PostgresTaskStore } = await import("@mcp-task-store/postgres");
      return new PostgresTaskStore({ ...options, connectionString: address });
    }
    case "redis": {
      const { RedisTaskStore } = await import("@mcp-task-store/redis");
      return new RedisTaskStore({ ...options, url: address });
    }
  }
}
