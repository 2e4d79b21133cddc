import { PostgresTaskStore, type PostgresTaskStoreOptions, type TaskStoreOptions } from "@mcp-task-store/postgres";

/** Opens the store of another process for the conformance suite. */
export function open(argument: PostgresTaskStoreOptions, options: TaskStoreOptions | undefined): PostgresTaskStore {
  return new PostgresTaskStore({ ...argument, ...options });
}
