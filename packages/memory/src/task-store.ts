import type { TaskStoreOptions } from "@mcp-task-store/core";
import { checkBeside, DurableTaskStore, splitOptions } from "@mcp-task-store/core/backend";
import { MemoryBackend } from "./backend.ts";
import { MEMORY_OPTIONS, type MemoryOptions } from "./options.ts";
import { MemoryStorage } from "./storage.ts";

export interface MemoryTaskStoreOptions extends TaskStoreOptions, MemoryOptions {}

/**
 * A store of MCP tasks in the memory of this process, with the rules of every other store. Use it
 * in tests, and in servers that may lose their tasks when they end.
 * @example
 * const store = new MemoryTaskStore({ limits: { ttl: { default: 3_600_000 } } });
 */
export class MemoryTaskStore extends DurableTaskStore {
  /** @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or a wrong value */
  constructor(options: MemoryTaskStoreOptions = {}) {
    const { own, store } = splitOptions("MemoryTaskStore", options, MEMORY_OPTIONS);
    checkBeside(own, "storage", ["clock"]);
    super(new MemoryBackend(own.storage ?? new MemoryStorage({ clock: own.clock })), store);
  }
}
