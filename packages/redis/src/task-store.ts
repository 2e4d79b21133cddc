import { DurableTaskStore, type TaskStoreOptions } from "@mcp-task-store/core";
import { RedisBackend } from "./backend.ts";
import type { RedisOptions } from "./options.ts";

export interface RedisTaskStoreOptions extends TaskStoreOptions, RedisOptions {}

/**
 * A store of MCP tasks in Redis or Valkey, which processes on many machines may share. The first call connects, and so does each
 * further one that finds no connection.
 */
export class RedisTaskStore extends DurableTaskStore {
  /** @throws TaskStoreError `INVALID_ARGUMENT` for an option that cannot be right */
  constructor(options: RedisTaskStoreOptions) {
    super(new RedisBackend(options), options);
  }
}
