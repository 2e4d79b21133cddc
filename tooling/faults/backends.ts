import { Redis } from "ioredis";
import { Client } from "pg";
import { type OwnServer, startOwnPostgres, startOwnRedis } from "../databases/index.ts";
import type { BackendName } from "./stores.ts";

/** A database with faults on demand, configured to lose no acknowledged write. */
export interface FaultyBackend {
  start(): Promise<OwnServer>;
  /** The URL with this name, so that its connections can be counted. */
  named(url: string, name: string): string;
  /**
   * The number of the server's connections, except the asking one. With a name, only those of that
   * name.
   */
  connections(url: string, name?: string): Promise<number>;
}

export const backends: Readonly<Record<BackendName, FaultyBackend>> = {
  postgres: {
    start: () => startOwnPostgres({ durability: "production" }),
    named: (url, name) => `${url}?application_name=${name}`,
    async connections(url, name) {
      const client = new Client({ connectionString: url });
      await client.connect();
      const { rows } = await client.query(
        "SELECT count(*)::int AS count FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name = coalesce($1, application_name)",
        [name],
      );
      await client.end();
      return rows[0].count;
    },
  },
  redis: {
    start: () => startOwnRedis({ args: ["--appendfsync", "always"] }),
    named: (url, name) => `${url}?connectionName=${name}`,
    async connections(url, name) {
      const redis = new Redis(url);
      try {
        const lines = ((await redis.client("LIST")) as string).trim().split("\n");
        return name === undefined ? lines.length - 1 : lines.filter((line) => line.includes(` name=${name} `)).length;
      } finally {
        redis.disconnect();
      }
    },
  },
};

export const backendNames = Object.keys(backends) as readonly BackendName[];
