import { RedisTaskStore, type RedisTaskStoreOptions } from "@mcp-task-store/redis";
import { Cluster, type NatMap } from "ioredis";

/** Where a store's tasks are, as JSON. */
export interface Address {
  readonly kind: "Redis" | "Redis Cluster";
  readonly url: string;
  readonly prefix: string;
  /** Where the nodes of a cluster are reached instead. */
  readonly natMap?: Exclude<NatMap, (...args: never[]) => unknown>;
}

/** Opens a store, in this process or in another one. */
export function open(address: Address, options: Partial<RedisTaskStoreOptions> = {}): RedisTaskStore {
  const { kind, url, prefix } = address;
  if (kind === "Redis") return new RedisTaskStore({ url, prefix, ...options });
  return new RedisTaskStore({ client: clusterOf(address), prefix, ...options });
}

/** Not connected, since a store makes its own connections from it. */
export function clusterOf({ url, natMap }: Address): Cluster {
  return new Cluster([url], { lazyConnect: true, ...(natMap ? { natMap } : {}) });
}
