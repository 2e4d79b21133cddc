import { DurableTaskStore, type TaskStoreOptions } from "@mcp-task-store/core";
import { MemoryBackend } from "./backend.ts";
import { MemoryStorage } from "./storage.ts";

export interface MemoryTaskStoreOptions extends TaskStoreOptions {
  /** Shares tasks with other stores of this process. Default: a storage of its own. */
  storage?: MemoryStorage | undefined;
}

/**
 * Keeps tasks in this process, with the rules of every other store. For tests, and for servers that may lose their
 * tasks when they end.
 */
export class MemoryTaskStore extends DurableTaskStore {
  /** @throws TaskStoreError `INVALID_ARGUMENT` for an option that cannot be right */
  constructor(options: MemoryTaskStoreOptions = {}) {
    const { storage = new MemoryStorage(), ...rest } = options;
    super(new MemoryBackend(storage), rest);
  }
}
