import { glideClusterDrivers, isGlideCluster } from "./clients/glide.ts";
import { ioredisDrivers, isIoredis, urlDrivers } from "./clients/ioredis.ts";
import { isNodeRedis, isNodeRedisCluster, nodeRedisClusterDrivers, nodeRedisDrivers } from "./clients/node-redis.ts";
import type { Drivers, GlideClusterClient, RedisClient } from "./driver.ts";

/** Makes connections as the given URL or client would. They connect on first use. */
export function driversOf(settings: {
  readonly url: string | undefined;
  readonly client: RedisClient | undefined;
  readonly commandTimeoutMs: number;
}): Drivers {
  const { url, client, commandTimeoutMs } = settings;
  if (!client) return urlDrivers(url as string, commandTimeoutMs);
  if (isIoredis(client)) return ioredisDrivers(client, commandTimeoutMs);
  if (isNodeRedis(client)) return nodeRedisDrivers(client, commandTimeoutMs);
  if (isNodeRedisCluster(client)) return nodeRedisClusterDrivers(client, commandTimeoutMs);
  return glideClusterDrivers(client as GlideClusterClient, commandTimeoutMs);
}

/** Whether the value has the shape of a client that the store knows. */
export function isClient(value: unknown): value is RedisClient {
  if (typeof value !== "object" || value === null) return false;
  return isIoredis(value) || isNodeRedis(value) || isNodeRedisCluster(value) || isGlideCluster(value);
}
