import type { TaskStoreOptions } from "@mcp-task-store/core";
import { DurableTaskStore, splitOptions } from "@mcp-task-store/core/backend";
import { SqliteBackend } from "./backend.ts";
import { SQLITE_OPTIONS, type SqliteOptions } from "./options.ts";

export interface SqliteTaskStoreOptions extends TaskStoreOptions, SqliteOptions {}

/**
 * A store of MCP tasks in an SQLite file, which several processes on one machine may share. The
 * first call opens the file. If that fails, the next call tries again.
 * @example
 * const store = new SqliteTaskStore({ path: "tasks.db" });
 */
export class SqliteTaskStore extends DurableTaskStore {
  /** @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or a wrong value */
  constructor(options: SqliteTaskStoreOptions) {
    const { own, store } = splitOptions("SqliteTaskStore", options, SQLITE_OPTIONS);
    super(new SqliteBackend(own), store);
  }
}
