import type { TaskStoreOptions } from "@mcp-task-store/core";
import { DurableTaskStore, splitOptions } from "@mcp-task-store/core/backend";
import { ExampleBackend } from "./backend.ts";
import { type ExampleOptions, OPTIONS } from "./options.ts";

export * from "@mcp-task-store/core";
export { ExampleBackend } from "./backend.ts";
export type { ExampleOptions } from "./options.ts";

export interface ExampleTaskStoreOptions extends TaskStoreOptions, ExampleOptions {}

/**
 * A store of MCP tasks. The first call connects. If that fails, the next call tries again.
 * @example
 * const store = new ExampleTaskStore({ url: "your-database://localhost:1234" });
 */
export class ExampleTaskStore extends DurableTaskStore {
  /** @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or a wrong value */
  constructor(options: ExampleTaskStoreOptions) {
    const { own, store } = splitOptions("ExampleTaskStore", options, OPTIONS);
    super(new ExampleBackend(own), store);
  }
}
