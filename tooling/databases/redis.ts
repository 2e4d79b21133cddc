import { Redis } from "ioredis";
import { startRedisContainer } from "./redis-container.ts";
import { startRedisProcess } from "./redis-process.ts";
import { type DatabaseServer, firstWay, type OwnServer, type Way, WayUnavailable } from "./server.ts";

export interface RedisOptions {
  /** More settings, such as `["--appendfsync", "always"]`. */
  readonly args?: readonly string[];
}

/** A Redis server for tests that do not harm it: the one of `TEST_REDIS_URL`, or a new one. */
export function startRedis(options: RedisOptions = {}): Promise<DatabaseServer> {
  const given: Way<DatabaseServer> = {
    advice: "set TEST_REDIS_URL to a server where tests may add keys",
    start: () => givenRedis("TEST_REDIS_URL"),
  };
  return firstWay("Redis", [given, ...ownWays(options)]);
}

/** A Redis server for one test, which may pause, kill and restart it. */
export function startOwnRedis(options: RedisOptions = {}): Promise<OwnServer> {
  return firstWay("Redis of their own", ownWays(options));
}

function ownWays({ args = [] }: RedisOptions): Way<OwnServer>[] {
  // Redis' own persistence: it loses at most the last second.
  const setup = { args: ["--save", "", "--appendonly", "yes", ...args], ping: redisVersion };
  return [
    { advice: "start Docker, and containers will be used", start: () => startRedisContainer(setup) },
    { advice: "install redis-server, on PATH", start: () => startRedisProcess(setup) },
  ];
}

async function givenRedis(variable: string): Promise<DatabaseServer> {
  const url = process.env[variable];
  if (url === undefined || url === "") throw new WayUnavailable("it is not set");
  return { url, version: await redisVersion(url), way: variable, stop: async () => {} };
}

/** The version, such as `7.0.15` or `9.1.2 (Valkey)`. Rejects if no server answers yet. */
export async function redisVersion(url: string): Promise<string> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 5_000 });
  // The command rejects too, so this event needs no handling.
  redis.on("error", () => {});
  try {
    const info = await redis.info("server");
    // Valkey gives the version of Redis that it answers like as well.
    const valkey = /valkey_version:(\S+)/.exec(info)?.[1];
    if (valkey !== undefined) return `${valkey} (Valkey)`;
    return /redis_version:(\S+)/.exec(info)?.[1] ?? "unknown";
  } finally {
    redis.disconnect();
  }
}
