import { createRequire } from "node:module";
import type { RedisClient } from "@mcp-task-store/redis";
import type * as glide from "@valkey/valkey-glide";
import type * as ioredis from "ioredis";
import type * as redis from "redis";

/** The clients that a store takes for any server, in the versions that are tested. */
export const CLIENTS = ["ioredis", "ioredis-5", "node-redis-5", "node-redis-6"] as const;
/** valkey-glide is for clusters alone. */
export type ClientName = (typeof CLIENTS)[number] | "valkey-glide";

/** A server, as JSON. */
export interface Server {
  readonly kind: "Redis" | "Redis Cluster";
  readonly url: string;
  /** The addresses to use instead of the cluster's own. */
  readonly natMap?: Readonly<Record<string, { readonly host: string; readonly port: number }>>;
}

/** The package of each, loaded when a test asks for it. */
const PACKAGES: Record<ClientName, string> = {
  ioredis: "ioredis",
  "ioredis-5": "ioredis-5",
  "node-redis-5": "node-redis-5",
  "node-redis-6": "redis",
  "valkey-glide": "@valkey/valkey-glide",
};

const require = createRequire(import.meta.url);

/** A client that is not connected, since a store only takes over its settings. */
export async function clientOf(name: ClientName, { kind, url, natMap = {} }: Server): Promise<RedisClient> {
  const loaded = require(PACKAGES[name]);
  const isCluster = kind === "Redis Cluster";
  if (name.startsWith("ioredis")) {
    const { Cluster, Redis }: typeof ioredis = loaded;
    return isCluster ? new Cluster([url], { lazyConnect: true, natMap }) : new Redis(url, { lazyConnect: true });
  }
  if (name.startsWith("node-redis")) {
    const { createClient, createCluster }: typeof redis = loaded;
    return isCluster ? createCluster({ rootNodes: [{ url }], nodeAddressMap: natMap }) : createClient({ url });
  }
  const { GlideClusterClient, Logger }: typeof glide = loaded;
  Logger.setLoggerConfig("off");
  const { hostname, port } = new URL(url);
  const client = await GlideClusterClient.createClient({
    addresses: [{ host: hostname, port: Number(port) }],
    lazyConnect: true,
    addressResolver: (host, at) => {
      const other = natMap[`${host}:${at}`];
      return other ? [other.host, other.port] : [host, at];
    },
  });
  // It would keep a process alive. Its settings stay.
  client.close();
  return client;
}
