import type { TaskStoreOptions } from "@mcp-task-store/core";
import type { RedisClient } from "@mcp-task-store/redis";
import type { Store } from "./stores.ts";

/** How a store reaches servers that may change places, as JSON. */
export type Reach =
  /** An address that follows the primary. */
  | { readonly by: "address"; readonly url: string }
  /** One server of Redis. */
  | { readonly by: "redis"; readonly url: string; readonly keyPrefix?: string }
  | { readonly by: "sentinels"; readonly sentinels: readonly { host: string; port: number }[]; readonly name: string }
  | {
      readonly by: "cluster";
      readonly url: string;
      readonly keyPrefix: string;
      readonly client: "ioredis" | "node-redis" | "valkey-glide";
    };

/**
 * Longest time of an attempt. In production it is several seconds; a test waits less for servers
 * that do not answer.
 */
const PATIENCE_MS = 1500;

export async function openStore(reach: Reach, options: TaskStoreOptions = {}): Promise<Store> {
  const all = { sweepIntervalMs: false, ...options } as const;
  if (reach.by === "address") {
    const { PostgresTaskStore } = await import("@mcp-task-store/postgres");
    const patience = { connectTimeoutMs: PATIENCE_MS, statementTimeoutMs: PATIENCE_MS };
    return new PostgresTaskStore({ connectionString: reach.url, ...patience, ...all });
  }
  const { RedisTaskStore } = await import("@mcp-task-store/redis");
  const patience = { commandTimeoutMs: PATIENCE_MS };
  const place = reach.by === "redis" ? { url: reach.url } : { client: await clientOf(reach) };
  const keyPrefix = reach.by === "sentinels" ? undefined : reach.keyPrefix;
  return new RedisTaskStore({ ...place, keyPrefix, ...patience, ...all });
}

/** A client as an application would set it up. The store only takes over its settings. */
async function clientOf(reach: Reach & { by: "sentinels" | "cluster" }): Promise<RedisClient> {
  const { Cluster, Redis } = await import("ioredis");
  if (reach.by === "sentinels") return new Redis({ sentinels: [...reach.sentinels], name: reach.name, lazyConnect: true });
  const { url } = reach;
  if (reach.client === "ioredis") return new Cluster([url], { lazyConnect: true });
  if (reach.client === "node-redis") {
    const { createCluster } = await import("redis");
    return createCluster({ rootNodes: [{ url }] });
  }
  const { GlideClusterClient, Logger } = await import("@valkey/valkey-glide");
  Logger.setLoggerConfig("off");
  const { hostname, port } = new URL(url);
  const client = await GlideClusterClient.createClient({
    addresses: [{ host: hostname, port: Number(port) }],
    lazyConnect: true,
  });
  // It would keep a process alive. Its settings stay.
  client.close();
  return client;
}
