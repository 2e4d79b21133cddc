import { DurableTaskStore, type TaskStoreOptions } from "@mcp-task-store/core";
import { PostgresBackend } from "./backend.ts";
import type { PostgresOptions } from "./options.ts";

export interface PostgresTaskStoreOptions extends TaskStoreOptions, PostgresOptions {}

/**
 * A store of MCP tasks in a PostgreSQL database, which any number of processes may share. Nothing connects before the first call,
 * and each further one tries again as long as that fails.
 */
export class PostgresTaskStore extends DurableTaskStore {
  /** @throws TaskStoreError `INVALID_ARGUMENT` for an option that cannot be right */
  constructor(options: PostgresTaskStoreOptions) {
    super(new PostgresBackend(options, options.onError), options);
  }
}
