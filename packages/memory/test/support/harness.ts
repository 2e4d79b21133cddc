import type { Harness } from "@mcp-task-store/core/conformance";
import { MemoryStorage, MemoryTaskStore } from "@mcp-task-store/memory";

/** The harness of the conformance suite for memory stores. */
export const memoryHarness: Harness = {
  name: "@mcp-task-store/memory",
  capabilities: { durable: false, multiProcess: false },
  async isolate() {
    let offset = 0;
    const clock = { now: () => Date.now() + offset };
    let storage = new MemoryStorage({ clock });
    let open = 0;
    return {
      open(options) {
        // Tasks in memory end with the last store of the process.
        if (open === 0) storage = new MemoryStorage({ clock });
        open += 1;
        return new (class extends MemoryTaskStore {
          #closed = false;
          override async close() {
            if (!this.#closed) open -= 1;
            this.#closed = true;
            await super.close();
          }
        })({ storage, ...options });
      },
      async advance(ms) {
        offset += ms;
      },
      async destroy() {},
    };
  },
};
