import type { TaskStoreOptions } from "@mcp-task-store/core";
import { DurableTaskStore, splitOptions } from "@mcp-task-store/core/backend";
import { RedisBackend } from "./backend.ts";
import { REDIS_OPTIONS, type RedisOptions } from "./options.ts";

export interface RedisTaskStoreOptions extends TaskStoreOptions, RedisOptions {}

/**
 * A store of MCP tasks in Redis or Valkey, which processes on many machines may share. The first
 * call connects. After a lost connection the next call reconnects.
 * @example
 * const store = new RedisTaskStore({ url: "redis://localhost:6379" });
 */
export class RedisTaskStore extends DurableTaskStore {
  /** @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or a wrong value */
  constructor(options: RedisTaskStoreOptions) {
    const { own, store } = splitOptions("RedisTaskStore", options, REDIS_OPTIONS);
    super(new RedisBackend(own), store);
  }
}
