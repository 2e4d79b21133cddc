/** The stores that the demo can run on. */

import { join } from "node:path";
import type { TaskStore, TaskStoreOptions } from "@mcp-task-store/core";
import type { Place } from "./place.ts";

export interface DemoStore {
  /** The name within a sentence. */
  title: string;
  /** Tasks survive the server that made them. */
  durable: boolean;
  /** The second server runs beside the first, as on another machine. */
  beside: boolean;
  /** Makes a place for the tasks of this run, given a temporary folder. `cleanUp` undoes it. */
  prepare(folder: string, cleanUp: AsyncDisposableStack): Promise<Place>;
  /** Opens the place in a server. */
  open(place: Place, options: TaskStoreOptions): Promise<TaskStore>;
}

/** Each package is imported on first use, so that no other database driver is loaded. */
export const STORES: Readonly<Record<string, DemoStore>> = {
  sqlite: {
    title: "a SQLite file",
    durable: true,
    beside: false,
    prepare: async (folder) => ({ address: join(folder, "tasks.db"), name: "" }),
    open: async ({ address: path }, options) => {
      const { SqliteTaskStore } = await import("@mcp-task-store/sqlite");
      return new SqliteTaskStore({ path, ...options });
    },
  },
  postgres: {
    title: "a PostgreSQL database",
    durable: true,
    beside: true,
    prepare: async (_folder, cleanUp) => (await import("./databases.ts")).placeInPostgres(cleanUp),
    open: async ({ address: connectionString, name: schema }, options) => {
      const { PostgresTaskStore } = await import("@mcp-task-store/postgres");
      return new PostgresTaskStore({ connectionString, schema, ...options });
    },
  },
  redis: {
    title: "Redis",
    durable: true,
    beside: true,
    prepare: async (_folder, cleanUp) => (await import("./databases.ts")).placeInRedis(cleanUp),
    open: async ({ address: url, name: keyPrefix }, options) => {
      const { RedisTaskStore } = await import("@mcp-task-store/redis");
      return new RedisTaskStore({ url, keyPrefix, ...options });
    },
  },
  memory: {
    title: "the memory of the server",
    durable: false,
    beside: false,
    prepare: async () => ({ address: "", name: "" }),
    open: async (_place, options) => {
      const { MemoryTaskStore } = await import("@mcp-task-store/memory");
      return new MemoryTaskStore(options);
    },
  },
};

export const STORE_NAMES: readonly string[] = Object.keys(STORES);

/** @throws Error for a name that is not in `STORE_NAMES` */
export function storeNamed(name: string): DemoStore {
  const store = Object.hasOwn(STORES, name) ? STORES[name] : undefined;
  if (!store) throw new Error(`there is no store "${name}", only ${STORE_NAMES.join(", ")}`);
  return store;
}
