import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TaskStore, TaskStoreOptions } from "@mcp-task-store/core";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { RedisTaskStore } from "@mcp-task-store/redis";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import { Cluster, Redis } from "ioredis";
import { afterAll, beforeAll } from "vitest";
import { useDatabase, useKeys } from "../../../../tooling/databases/fixtures.ts";

/** A store under test, whose tables exist. */
export interface Place {
  /** The options that name the store on the command line. */
  readonly args: readonly string[];
  /** The store's address: a path or a URL. */
  readonly url: string;
  readonly store: TaskStore;
  /** Another store over the same tasks, which the caller closes. */
  open(options: TaskStoreOptions): TaskStore;
}

export interface PlaceKind {
  readonly name: "SQLite" | "PostgreSQL" | "Redis" | "Redis Cluster";
  /** For the top of a `describe`: one place for its tests. */
  use(): Place;
}

const OPTIONS = { claimAfterMs: 0, sweepIntervalMs: false } as const;

export const sqlite: PlaceKind = {
  name: "SQLite",
  use() {
    let folder = "";
    return usePlace(
      async () => {
        folder = await mkdtemp(join(tmpdir(), "cli-test-"));
        const path = join(folder, "tasks.db");
        const open = (options: TaskStoreOptions) => new SqliteTaskStore({ ...OPTIONS, ...options, path });
        return { url: path, args: ["--store", path], store: open({}), open };
      },
      () => rm(folder, { recursive: true, force: true }),
    );
  },
};

export const postgres: PlaceKind = {
  name: "PostgreSQL",
  use() {
    const database = useDatabase();
    return usePlace(async () => {
      const { url } = database;
      const open = (options: TaskStoreOptions) =>
        new PostgresTaskStore({ ...OPTIONS, ...options, connectionString: url, maxConnections: 2 });
      return { url, args: ["--store", url], store: open({}), open };
    });
  },
};

export const redis: PlaceKind = redisPlace("Redis");

/** The address is that of one node. */
export const cluster: PlaceKind = redisPlace("Redis Cluster");

export const places: readonly PlaceKind[] = [sqlite, postgres, redis];

function usePlace(open: () => Promise<Place>, tearDown?: () => Promise<unknown>): Place {
  let place: Place | undefined;
  beforeAll(async () => {
    place = await open();
    // Makes the tables.
    await place.store.getTask("none");
  });
  afterAll(async () => {
    await place?.store.close();
    await tearDown?.();
  });
  const opened = () => {
    if (!place) throw new Error("only tests and hooks may use this, not the file around them");
    return place;
  };
  return {
    get args() {
      return opened().args;
    },
    get url() {
      return opened().url;
    },
    get store() {
      return opened().store;
    },
    open: (options) => opened().open(options),
  };
}

function redisPlace(name: "Redis" | "Redis Cluster"): PlaceKind {
  return {
    name,
    use() {
      const keys = useKeys(name);
      let keyPrefix = "";
      const client = () =>
        name === "Redis" ? new Redis(keys.url, { lazyConnect: true }) : new Cluster([keys.url], { lazyConnect: true });
      return usePlace(
        async () => {
          keyPrefix = `${keys.prefix}cli`;
          const open = (options: TaskStoreOptions) =>
            new RedisTaskStore({ ...OPTIONS, ...options, client: client(), keyPrefix });
          return { url: keys.url, args: ["--store", keys.url, "--key-prefix", keyPrefix], store: open({}), open };
        },
        async () => {
          const connection = client();
          // All keys of a store are on one node.
          const nodes =
            "nodes" in connection ? await connection.ping().then(() => connection.nodes("master")) : [connection];
          for (const node of nodes) {
            const found = await node.keys(`{${keyPrefix}}*`);
            if (found.length > 0) await node.del(found);
          }
          connection.disconnect();
        },
      );
    },
  };
}
