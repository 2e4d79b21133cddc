import { PostgresTaskStore, type PostgresTaskStoreOptions, type TaskStoreOptions } from "@mcp-task-store/postgres";

/** Opens a store in another process for the conformance suite. */
export function open(argument: PostgresTaskStoreOptions, options: TaskStoreOptions | undefined): PostgresTaskStore {
  return new PostgresTaskStore({ ...argument, ...options });
}
