/** Where a scenario keeps its tasks, and how stores, and what they are compared with, get there. */
import type { TaskStore, TaskStoreOptions } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { RedisTaskStore } from "@mcp-task-store/redis";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import type { StoreName } from "./scenario.ts";

/** JSON, so that another process can open the same. */
export type Address =
  | { readonly store: "memory" }
  | { readonly store: "sqlite"; readonly path: string; readonly synchronous: Synchronous }
  | { readonly store: "postgres"; readonly url: string; readonly schema: string }
  | { readonly store: "redis"; readonly url: string; readonly prefix: string };

export type Synchronous = "NORMAL" | "FULL";

/** Room that a scenario has for itself: a folder with a database, a database on a server, a prefix. */
export type Place = Address & {
  /** Which of the store's settings are measured, such as `synchronous FULL`. */
  readonly variant: string;
};

/** Settings by name, as the database has told them. */
export type InForce = Readonly<Record<string, string>>;

/** Opens a store there, closed by `cleanUp`. */
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
      return new RedisTaskStore({ ...options, url: address.url, prefix: address.prefix });
  }
}

/** A connection with the settings that the store gives one of its own, for the store and for what it is compared with. */
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
