import { SqliteTaskStore, type TaskStoreOptions } from "@mcp-task-store/sqlite";

/** Opens a store in another process for the conformance suite. */
export function open(path: string, options: TaskStoreOptions | undefined): SqliteTaskStore {
  return new SqliteTaskStore({ path, ...options });
}
