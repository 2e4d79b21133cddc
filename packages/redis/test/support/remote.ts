import { RedisTaskStore, type RedisTaskStoreOptions } from "@mcp-task-store/redis";
import { Cluster, type NatMap } from "ioredis";

/** The place of a store's tasks, as JSON. */
export interface Address {
  readonly kind: "Redis" | "Redis Cluster";
  readonly url: string;
  readonly keyPrefix: string;
  /** The addresses to use instead of the cluster's own. */
  readonly natMap?: Exclude<NatMap, (...args: never[]) => unknown>;
}

/** Opens a store, in this process or in another one. */
export function open(address: Address, options: Partial<RedisTaskStoreOptions> = {}): RedisTaskStore {
  const { kind, url, keyPrefix } = address;
  if (kind === "Redis") return new RedisTaskStore({ url, keyPrefix, ...options });
  return new RedisTaskStore({ client: clusterOf(address), keyPrefix, ...options });
}

/** Unconnected, since a store only copies its options. */
export function clusterOf({ url, natMap }: Address): Cluster {
  return new Cluster([url], { lazyConnect: true, ...(natMap ? { natMap } : {}) });
}
