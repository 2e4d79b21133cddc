import { SqliteTaskStore, type SqliteTaskStoreOptions } from "@mcp-task-store/sqlite";

/** Opens a store in another process for the conformance suite. */
export function open(place: SqliteTaskStoreOptions, options: SqliteTaskStoreOptions | undefined): SqliteTaskStore {
  return new SqliteTaskStore({ ...place, ...options });
}
