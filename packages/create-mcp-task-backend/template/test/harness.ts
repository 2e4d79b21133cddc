import { randomUUID } from "node:crypto";
import type { TaskStoreOptions } from "@mcp-task-store/core";
import type { Harness } from "@mcp-task-store/core/conformance";
import { type ExampleOptions, ExampleTaskStore } from "../src/index.ts";
import { databaseUrl } from "./database.ts";

/** How the suite's other processes open a store. */
export function open(where: ExampleOptions, options: TaskStoreOptions = {}) {
  return new ExampleTaskStore({ ...where, ...options });
}

export const harness: Harness = {
  name: "example-backend",
  // Those of the backend. If a test can cut the connection, add `outage: true`, and `outage` below.
  capabilities: { durable: true, multiProcess: true },
  async isolate() {
    const where = { url: await databaseUrl(), namespace: `test_${randomUUID().replaceAll("-", "")}` };
    return {
      open: (options) => open(where, options),
      remote: { module: import.meta.url, argument: where },
      async destroy() {
        // A container goes with its namespaces. On a server that stays, remove the namespace here.
      },
    };
  },
};
