import type { Cluster, Redis } from "ioredis";
import type { Client } from "pg";
import { Failure } from "../exit.ts";
import type { Address } from "./address.ts";

// Connections beside the store's own, for what stores do not do.

const TIMEOUT_MS = 5000;

/** A connection of its own, which ends after `use`. */
export async function withPostgres<T>(
  { url }: Address & { kind: "PostgreSQL" },
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const { default: pg } = await import("pg");
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
    application_name: "mcp-tasks",
  });
  // A lost connection rejects the query that waits.
  client.on("error", () => undefined);
  try {
    await client.connect();
    return await use(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** A connection of its own, which ends after `use`. */
export async function withRedis<T>(
  { url }: Address & { kind: "Redis" },
  use: (client: Redis) => Promise<T>,
): Promise<T> {
  const { Redis } = await import("ioredis");
  const client = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: TIMEOUT_MS,
    commandTimeout: TIMEOUT_MS,
  });
  // A failure to connect rejects, too, and ioredis prints an error event that has no listener.
  let reason: unknown;
  client.on("error", (error) => {
    reason ??= error;
  });
  try {
    await client.connect().catch((error) => {
      throw reason ?? error;
    });
    return await use(client);
  } finally {
    client.disconnect();
  }
}

/**
 * The cluster that the server is a node of, for stores to make their connections of. Nothing for a
 * server of its own.
 * @throws Failure if the server cannot be reached
 */
export async function clusterOf(address: Address & { kind: "Redis" }): Promise<Cluster | undefined> {
  let info: string;
  try {
    // Hosted servers may forbid INFO.
    info = await withRedis(address, (client) => client.info("cluster").catch(() => ""));
  } catch (error) {
    throw new Failure(`Redis could not be reached (${error instanceof Error ? error.message : error})`);
  }
  if (!/^cluster_enabled:1\r?$/m.test(info)) return undefined;
  const { Cluster } = await import("ioredis");
  const { username, password, protocol } = new URL(address.url);
  // The other nodes have names of their own, and the same users.
  const redisOptions = {
    ...(username === "" ? {} : { username: decodeURIComponent(username) }),
    ...(password === "" ? {} : { password: decodeURIComponent(password) }),
    ...(protocol === "rediss:" ? { tls: {} } : {}),
  };
  return new Cluster([address.url], { lazyConnect: true, redisOptions });
}
