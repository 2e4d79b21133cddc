import type { RedisClient } from "@mcp-task-store/redis";
import type { Store, StoreOptions } from "./stores.ts";

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

/** Longest time of an attempt, for a writer that goes on with another task. */
const HASTE_MS = 1500;
/** For calls that must not time out, even on a slow machine. */
export const PATIENCE_MS = 30_000;

export async function openStore(
  reach: Reach,
  { patienceMs = HASTE_MS, ...options }: StoreOptions = {},
): Promise<Store> {
  const all = { sweepIntervalMs: false, onError: () => undefined, ...options } as const;
  if (reach.by === "address") {
    const { PostgresTaskStore } = await import("@mcp-task-store/postgres");
    const patience = { connectTimeoutMs: patienceMs, statementTimeoutMs: patienceMs };
    return new PostgresTaskStore({ connectionString: reach.url, ...patience, ...all });
  }
  const { RedisTaskStore } = await import("@mcp-task-store/redis");
  const patience = { commandTimeoutMs: patienceMs };
  const place = reach.by === "redis" ? { url: reach.url } : { client: await clientOf(reach) };
  const keyPrefix = reach.by === "sentinels" ? undefined : reach.keyPrefix;
  return new RedisTaskStore({ ...place, keyPrefix, ...patience, ...all });
}

/** A client as an application would set it up. The store only takes over its settings. */
async function clientOf(reach: Reach & { by: "sentinels" | "cluster" }): Promise<RedisClient> {
  const { Cluster, Redis } = await import("ioredis");
  if (reach.by === "sentinels")
    return new Redis({ sentinels: [...reach.sentinels], name: reach.name, lazyConnect: true });
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
