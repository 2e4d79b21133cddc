import type { Redis } from "ioredis";
import { type Checks, clockFinding, type Found, note, ok, problem, warning } from "./finding.ts";

const OLDEST_VERSION = 7;

/** The checks of a server, over this connection. */
export function redisChecks(client: Redis): Checks {
  let read: Promise<Map<string, string>> | undefined;
  const info = () => {
    read ??= infoOf(client);
    return read;
  };
  return {
    server: async () => server(await info()),
    eviction: async () => evictionFinding(await info()),
    persistence: async () => {
      // Hosted servers may forbid CONFIG.
      const answer = await client.config("GET", "appendfsync").catch(() => []);
      return persistenceFinding(await info(), (answer as string[])[1]);
    },
    replication: async () => replicationFinding(await info()),
    clock: () => clock(client),
  };
}

async function infoOf(client: Redis): Promise<Map<string, string>> {
  const lines = (await client.info()).split("\r\n").filter((line) => line.includes(":"));
  return new Map(lines.map((line) => line.split(/:(.*)/s, 2) as [string, string]));
}

function server(info: ReadonlyMap<string, string>): Found {
  const product = info.has("valkey_version") ? "Valkey" : "Redis";
  const version = info.get("valkey_version") ?? info.get("redis_version") ?? "of an unknown version";
  if (Number.parseInt(info.get("redis_version") ?? "", 10) < OLDEST_VERSION)
    return problem(`the server is ${product} ${version}`, "update it: stores need Redis 7.0 or newer");
  if (info.get("role") === "slave" && info.get("cluster_enabled") !== "1")
    return problem("the server is a replica, which takes no writes", "give stores the primary's address");
  return ok(`${product} ${version} takes writes`);
}

/** @param info The fields of INFO. */
export function evictionFinding(info: ReadonlyMap<string, string>): Found {
  const policy = info.get("maxmemory_policy") ?? "unknown";
  const [most, used] = [Number(info.get("maxmemory") ?? 0), Number(info.get("used_memory") ?? 0)];
  const advice = "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf";
  if (policy !== "noeviction") {
    if (most > 0) return problem(`Redis evicts tasks when memory is short: maxmemory-policy is ${policy}`, advice);
    return warning(`maxmemory-policy is ${policy}, which evicts tasks once there is a maxmemory`, advice);
  }
  if (most > 0 && used > 0.9 * most)
    return warning(
      `${Math.round((100 * used) / most)} % of maxmemory are in use: at the limit, Redis refuses new tasks`,
      "raise maxmemory, give tasks a shorter ttl, or delete old ones: mcp-tasks prune --older-than 7d",
    );
  return ok("Redis evicts no task");
}

/** @param info The fields of INFO. @param fsync The setting, if it can be read. */
export function persistenceFinding(info: ReadonlyMap<string, string>, fsync: string | undefined): Found {
  const advice = "CONFIG SET appendonly yes, and the same in redis.conf";
  if (info.get("aof_enabled") !== "1") {
    if (info.get("rdb_last_bgsave_status") === "err")
      return problem("there is no append-only file, and the last snapshot failed", advice);
    return warning("there is no append-only file: a restart loses all that changed since the last snapshot", advice);
  }
  if (info.get("aof_last_write_status") === "err")
    return problem("Redis cannot write its append-only file", "make room on the server's disk, or repair it");
  if (fsync === "no")
    return warning(
      "appendfsync is no: a crash of the machine loses what the system had not written yet",
      "CONFIG SET appendfsync everysec, and the same in redis.conf",
    );
  if (fsync === "everysec")
    return note(
      "appendfsync is everysec: a crash of the machine loses up to two seconds of writes",
      "CONFIG SET appendfsync always, and the same in redis.conf, if no acknowledged task may be lost",
    );
  return ok(`the append-only file is on${fsync === undefined ? "" : `, appendfsync ${fsync}`}`);
}

/** @param info The fields of INFO. */
export function replicationFinding(info: ReadonlyMap<string, string>): Found | Found[] {
  // Another check says so.
  if (info.get("role") !== "master") return [];
  const replicas = Number(info.get("connected_slaves") ?? 0);
  if (replicas === 0) return ok("no replica follows the server");
  if (info.get("cluster_enabled") === "1")
    return note(
      "a failover of the cluster loses the last writes, and those of a primary that is cut off, up to cluster-node-timeout",
      "take PostgreSQL with a synchronous standby, if no acknowledged task may be lost",
    );
  // INFO has the field if both settings for it are set.
  if (!info.has("min_slaves_good_slaves"))
    return warning(
      "min-replicas-to-write is 0: a primary that is cut off goes on taking writes, all of which the failover loses",
      "CONFIG SET min-replicas-to-write 1, the same in redis.conf, and two replicas or more",
    );
  if (replicas === 1)
    return note(
      "there is one replica: once it is the primary, it refuses writes until it has a replica itself",
      "add a replica",
    );
  return note(
    "a failover loses the last writes, and those of a primary that is cut off, up to min-replicas-max-lag",
    "take PostgreSQL with a synchronous standby, if no acknowledged task may be lost",
  );
}

async function clock(client: Redis): Promise<Found> {
  const before = Date.now();
  const [seconds, micros] = (await client.time()) as unknown as [string | number, string | number];
  return clockFinding(Number(seconds) * 1000 + Math.floor(Number(micros) / 1000), before, Date.now());
}
