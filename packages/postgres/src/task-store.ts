import type { TaskStoreOptions } from "@mcp-task-store/core";
import { DurableTaskStore, splitOptions } from "@mcp-task-store/core/backend";
import { PostgresBackend } from "./backend.ts";
import { POSTGRES_OPTIONS, type PostgresOptions } from "./options.ts";

export interface PostgresTaskStoreOptions extends TaskStoreOptions, PostgresOptions {}

/**
 * A store of MCP tasks in a PostgreSQL database, which any number of processes may share. The first
 * call connects. If that fails, the next call tries again.
 * @example
 * const store = new PostgresTaskStore({ connectionString: process.env.DATABASE_URL });
 */
export class PostgresTaskStore extends DurableTaskStore {
  /** @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or a wrong value */
  constructor(options: PostgresTaskStoreOptions) {
    const { own, store } = splitOptions("PostgresTaskStore", options, POSTGRES_OPTIONS);
    super(new PostgresBackend(own), store);
  }
}
