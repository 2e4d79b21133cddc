/** The places of a scenario's tasks, and connections to them for all contestants. */

import type { TaskStore, TaskStoreOptions } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { RedisTaskStore } from "@mcp-task-store/redis";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import type { StoreName } from "./stores.ts";

/** JSON, so that another process can open the same place. */
export type Address =
  | { readonly store: "memory" }
  | { readonly store: "sqlite"; readonly path: string; readonly synchronous: Synchronous }
  | { readonly store: "postgres"; readonly url: string; readonly schema: string }
  | { readonly store: "redis"; readonly url: string; readonly prefix: string };

export type Synchronous = "NORMAL" | "FULL";

/** The place of one scenario: a folder with a database, a database on a server, or a prefix. */
export type Place = Address & {
  /** The store's settings under test, such as `synchronous FULL`. */
  readonly variant: string;
};

/** Settings by name, as read from the database. */
export type InForce = Readonly<Record<string, string>>;

/** Opens a store there, which `cleanUp` closes. */
export function openStore(address: Address, cleanUp: AsyncDisposableStack, options: TaskStoreOptions = {}): TaskStore {
  const store = make(address, cleanUp, { sweepIntervalMs: false, ...options });
  cleanUp.defer(() => store.close());
  return store;
}

function make(address: Address, cleanUp: AsyncDisposableStack, options: TaskStoreOptions): TaskStore {
  switch (address.store) {
    case "memory":
      return new MemoryTaskStore(options);
    case "sqlite":
      return new SqliteTaskStore({ ...options, database: openSqlite(address, cleanUp) });
    case "postgres":
      return new PostgresTaskStore({ ...options, connectionString: address.url, schema: address.schema });
    case "redis":
      return new RedisTaskStore({ ...options, url: address.url, keyPrefix: address.prefix });
  }
}

/** A connection with the store's own settings, for the store and for its competitors. */
export function openSqlite(
  { path, synchronous }: Address & { store: "sqlite" },
  cleanUp: AsyncDisposableStack,
): Database.Database {
  const database = new Database(path);
  cleanUp.defer(() => void database.close());
  database.pragma("journal_mode = WAL");
  database.pragma("wal_autocheckpoint = 4000");
  database.pragma(`synchronous = ${synchronous}`);
  return database;
}

/** The address, for a contestant that works on this store alone. */
export function addressOf<Name extends StoreName>(place: Address, store: Name): Address & { store: Name } {
  if (place.store !== store) throw new Error(`this is for ${store}, not for ${place.store}`);
  return place as Address & { store: Name };
}
