// The whole suite over the memory store of the packed packages, as a program or by node:test.
//
// conform.mjs program: prints the failures, and the number of passed cases.
// node --test conform.mjs: each case is a test.
import { defineConformance, runConformance } from "@mcp-task-store/core/conformance";
import { MemoryStorage, MemoryTaskStore } from "@mcp-task-store/memory";

const harness = {
  name: "memory",
  capabilities: { durable: false, multiProcess: false },
  async isolate() {
    let offset = 0;
    const clock = { now: () => Date.now() + offset };
    const open = new Set();
    let storage;
    return {
      open(options) {
        // Tasks in memory end with the last store of the process.
        if (open.size === 0) storage = new MemoryStorage({ clock });
        const store = new MemoryTaskStore({ storage, ...options });
        const close = store.close.bind(store);
        store.close = () => {
          open.delete(store);
          return close();
        };
        open.add(store);
        return store;
      },
      async advance(ms) {
        offset += ms;
      },
      async destroy() {},
    };
  },
};

if (process.argv[2] === "program") {
  const { passed, cases } = await runConformance(harness);
  console.log(JSON.stringify({ passed, failed: cases.flatMap(({ id, status }) => (status === "failed" ? [id] : [])) }));
} else {
  const { describe, test } = await import("node:test");
  const withTimeout = Object.assign((name, body, timeout) => test(name, { timeout }, body), { skip: test.skip });
  defineConformance({ describe, test: withTimeout }, harness);
}
