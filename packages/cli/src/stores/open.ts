import { existsSync } from "node:fs";
import type { TaskStore, TaskStoreError, TaskStoreOptions } from "@mcp-task-store/core";
import type { SqliteDatabase } from "@mcp-task-store/sqlite";
import { Failure } from "../exit.ts";
import type { Address } from "./address.ts";
import { loadCodec } from "./codec.ts";
import { clusterOf } from "./raw.ts";
import type { StoreSettings } from "./settings.ts";

export interface OpenStore {
  readonly store: TaskStore;
  close(): Promise<void>;
}

/** Few connections: a command does a handful of calls at once. */
const CONNECTIONS = 4;

/**
 * Opens a store as it is: it neither migrates its tables nor makes its file, and deletes nothing by
 * itself. Drivers are loaded here, so that other commands start without them.
 * @throws Failure, UsageError
 */
export async function openStore(
  { address, schema, tablePrefix, keyPrefix, codec }: StoreSettings,
  onError: (error: TaskStoreError) => void,
): Promise<OpenStore> {
  const options: TaskStoreOptions = { sweepIntervalMs: false, onError };
  if (codec !== undefined) options.codec = await loadCodec(codec);
  switch (address.kind) {
    case "SQLite": {
      const [{ SqliteTaskStore }, database] = await Promise.all([loadSqlite(), openSqlite(address)]);
      const store = new SqliteTaskStore({ ...options, database, tablePrefix, migrate: false });
      return {
        store,
        async close() {
          await store.close();
          database.close();
        },
      };
    }
    case "PostgreSQL": {
      const { PostgresTaskStore } = await import("@mcp-task-store/postgres");
      const { url: connectionString } = address;
      const own = { connectionString, schema, migrate: false, maxConnections: CONNECTIONS };
      return closing(new PostgresTaskStore({ ...options, ...own }));
    }
    case "Redis": {
      const [{ RedisTaskStore }, cluster] = await Promise.all([import("@mcp-task-store/redis"), clusterOf(address)]);
      const place = cluster ? { client: cluster } : { url: address.url };
      return closing(new RedisTaskStore({ ...options, ...place, keyPrefix }));
    }
  }
}

function closing(store: TaskStore): OpenStore {
  return { store, close: () => store.close() };
}

/** @throws Failure if the file does not exist, unless it may be made */
export async function openSqlite({ path }: Address & { kind: "SQLite" }, mayMake = false): Promise<SqliteDatabase> {
  // better-sqlite3 says no more than "unable to open".
  if (!mayMake && !existsSync(path))
    throw new Failure(`there is no file ${path}: name the file of a store, or make one with mcp-tasks migrate`);
  const { default: Database } = await loaded(() => import("better-sqlite3"));
  return new Database(path, { fileMustExist: !mayMake });
}

/** The adapter for SQLite, which is optional, as its driver is a native module. */
export function loadSqlite() {
  return loaded(() => import("@mcp-task-store/sqlite"));
}

async function loaded<Module>(load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n", 1)[0] ?? "") : "";
    throw new Failure(
      `the driver for SQLite cannot be loaded (${reason}): install again with optional dependencies, on a platform that better-sqlite3 has binaries for`,
    );
  }
}
