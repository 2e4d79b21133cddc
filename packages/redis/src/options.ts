import { checkEither, checkOptions, checks, type OptionCheck, type OptionTable } from "@mcp-task-store/core/backend";
import type { RedisClient } from "./driver.ts";
import { isClient } from "./open.ts";

/** Where the tasks are, and how the store reaches them. Give either `url` or `client`. */
export interface RedisOptions {
  /** `redis://user:password@host:port/db`, or `rediss://` for TLS. */
  url?: string | undefined;
  /**
   * A `Redis` or `Cluster` of ioredis, a client of node-redis (`createClient` or `createCluster`),
   * or a `GlideClusterClient` of valkey-glide. The store makes its own connections with the
   * client's settings, because it needs some of its own. It neither uses nor closes the client.
   */
  client?: RedisClient | undefined;
  /**
   * Every key, and the channel, begins with this prefix in braces. Stores with the same prefix
   * share their tasks. In a cluster, the prefix decides on the slot, and so on the node.
   * @default "mcp"
   */
  keyPrefix?: string | undefined;
  /**
   * Longest time in milliseconds that a call takes, reconnecting included. After that it rejects
   * with `BACKEND_UNAVAILABLE`.
   * @default 5000
   */
  commandTimeoutMs?: number | undefined;
}

/** The options with every default in place. */
export interface RedisSettings {
  readonly url: string | undefined;
  readonly client: RedisClient | undefined;
  readonly keyPrefix: string;
  readonly commandTimeoutMs: number;
}

const clientCheck: OptionCheck = (value) =>
  isClient(value)
    ? undefined
    : "a Redis or Cluster of ioredis, a client of node-redis from createClient or createCluster, or a " +
      "GlideClusterClient of valkey-glide (a GlideClient cannot hear sharded channels)";

export const REDIS_OPTIONS: OptionTable<RedisOptions> = {
  url: (value) =>
    typeof value === "string" && /^rediss?:\/\//.test(value)
      ? undefined
      : "a URL that begins with redis:// or rediss://",
  client: clientCheck,
  keyPrefix: (value) =>
    typeof value === "string" && /^[^{}\0]{1,128}$/.test(value)
      ? undefined
      : "a string of 1 to 128 characters without braces",
  commandTimeoutMs: checks.milliseconds(1),
};

/** @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or a wrong value */
export function redisSettings(options: RedisOptions): RedisSettings {
  checkOptions("The Redis backend", options, REDIS_OPTIONS);
  checkEither(options, "url", "client");
  const { url, client, keyPrefix = "mcp", commandTimeoutMs = 5000 } = options;
  return Object.freeze({ url, client, keyPrefix, commandTimeoutMs });
}
