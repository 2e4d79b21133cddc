import { DurableTaskStore, type TaskStoreOptions } from "@mcp-task-store/core";
import { SqliteBackend } from "./backend.ts";
import type { SqliteOptions } from "./options.ts";

export interface SqliteTaskStoreOptions extends TaskStoreOptions, SqliteOptions {}

/**
 * A store of MCP tasks in an SQLite file, which several processes on one machine may share. The file is opened by the first
 * call, and by each further one as long as that fails.
 */
export class SqliteTaskStore extends DurableTaskStore {
  /** @throws TaskStoreError `INVALID_ARGUMENT` for an option that cannot be right */
  constructor(options: SqliteTaskStoreOptions) {
    super(new SqliteBackend(options), options);
  }
}
