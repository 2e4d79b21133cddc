import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TaskStore, TaskStoreOptions } from "@mcp-task-store/core";
import { MemoryStorage, MemoryTaskStore } from "@mcp-task-store/memory";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";

/** The tasks of one test, for any number of servers. */
export interface Place extends AsyncDisposable {
  /** For servers in other processes, if the place is a file. */
  readonly path: string | undefined;
  open(): TaskStore;
}

/**
 * Milliseconds between two polls. After three times as many, the server asks a client in another
 * way.
 */
const POLL_INTERVAL = 20;

export const storeOptions: TaskStoreOptions = {
  pollInterval: POLL_INTERVAL,
  limits: { ttl: { default: 3_600_000 } },
  onError: (error) => {
    throw error;
  },
};

export const places: readonly { name: string; make: () => Promise<Place> }[] = [
  { name: "memory", make: inMemory },
  { name: "sqlite", make: inFile },
];

export async function inMemory(): Promise<Place> {
  const storage = new MemoryStorage();
  return placeOf(() => new MemoryTaskStore({ storage, ...storeOptions }));
}

export async function inFile(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "mcp-task-store-clients-"));
  const path = join(folder, "tasks.db");
  return placeOf(
    () => new SqliteTaskStore({ path, ...storeOptions }),
    path,
    () => rm(folder, { recursive: true, force: true }),
  );
}

function placeOf(open: () => TaskStore, path?: string, remove?: () => Promise<void>): Place {
  const opened: TaskStore[] = [];
  return {
    path,
    open() {
      const store = open();
      opened.push(store);
      return store;
    },
    async [Symbol.asyncDispose]() {
      for (const store of opened) await store.close();
      await remove?.();
    },
  };
}
