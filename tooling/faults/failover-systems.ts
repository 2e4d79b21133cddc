import { Redis } from "ioredis";
import { expect, vi } from "vitest";
import { startPostgresPair } from "../databases/postgres-pair.ts";
import { TcpProxy } from "../databases/proxy.ts";
import { startOwnRedisCluster } from "../databases/redis-cluster.ts";
import { startRedisSentinels } from "../databases/redis-sentinel.ts";
import { TwoSides } from "../databases/two-sides.ts";
import type { Reach } from "./failover-stores.ts";

/** Servers that fail over. This process reaches all of them, also while they are parted. */
export interface System {
  readonly version: string;
  /** How applications reach the primary, each with the name of a writer. */
  readonly reaches: Readonly<Record<string, Reach>>;
  /** The first primary itself, as applications on its side of a parted network reach it. */
  readonly old: Reach;
  /** What parts the network. */
  readonly network: "namespaces" | "a proxy";
  /** Kills the primary. The servers do the rest. */
  kill(): Promise<void>;
  /** Cuts the primary off from the other servers, and no other connection. */
  part(): Promise<void>;
  /** After `part`: sees to it that there is another primary, and leads applications there. */
  failOver(): Promise<void>;
  /** Ends the parting, and returns once the first primary takes no more writes. */
  heal(): Promise<void>;
  stop(): Promise<void>;
}

export interface SystemKind {
  readonly name: string;
  /** Some acknowledged writes may be lost. */
  readonly loses: boolean;
  /** The fault of the short run. The long one has both. */
  readonly fault: "killed" | "parted";
  /** Nothing if the servers have to be parted, and this machine cannot do that. */
  start(how: { readonly parted: boolean }): Promise<System | undefined>;
}

const MIN_REPLICAS = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "1"];

export const systems: readonly SystemKind[] = [
  {
    name: "PostgreSQL, synchronous standby",
    loses: false,
    fault: "killed",
    start: ({ parted }) => postgres(true, parted),
  },
  {
    name: "PostgreSQL, asynchronous standby",
    loses: true,
    fault: "parted",
    start: ({ parted }) => postgres(false, parted),
  },
  { name: "Redis with Sentinel", loses: true, fault: "killed", start: ({ parted }) => sentinel(parted) },
  {
    name: "Redis with Sentinel, min-replicas-to-write 1",
    loses: true,
    fault: "parted",
    start: ({ parted }) => sentinel(parted, MIN_REPLICAS),
  },
  { name: "Redis Cluster", loses: true, fault: "parted", start: ({ parted }) => cluster(parted) },
];

async function postgres(synchronous: boolean, parted: boolean): Promise<System> {
  const sides = parted ? await TwoSides.make() : undefined;
  const pair = await startPostgresPair({ synchronous, sides, proxied: parted });
  // An address that follows the primary, such as a virtual one or that of a hosted database.
  const address = await TcpProxy.start(pair.primary.url);
  const failOver = async () => {
    await pair.promote();
    address.leadTo(pair.standby.url);
    address.cut();
  };
  return {
    version: `PostgreSQL ${pair.version}`,
    reaches: Object.fromEntries(["one", "two"].map((name) => [name, { by: "address", url: address.url }])),
    old: { by: "address", url: pair.primary.url },
    network: sides ? "namespaces" : "a proxy",
    kill: async () => {
      await pair.primary.control.halt("killed");
      await failOver();
    },
    part: () => pair.part(),
    failOver,
    // It stays a primary of its own, which an operator has to end.
    heal: () => pair.primary.control.halt("killed"),
    stop: async () => {
      await address.begin();
      await pair.stop();
      await sides?.remove();
    },
  };
}

async function sentinel(parted: boolean, args: readonly string[] = []): Promise<System> {
  const sides = parted ? await TwoSides.make() : undefined;
  // A new primary needs a replica, too, before it takes writes under min-replicas-to-write.
  const replicas = args.length === 0 ? 1 : 2;
  const { primary, sentinels, name, ...servers } = await startRedisSentinels({
    sides,
    proxied: parted,
    replicas,
    args,
  });
  const reach: Reach = { by: "sentinels", sentinels, name };
  return {
    version: `Redis ${servers.version}`,
    reaches: { one: reach, two: reach },
    old: { by: "redis", url: primary.url },
    network: sides ? "namespaces" : "a proxy",
    kill: () => primary.control.halt("killed"),
    part: servers.part,
    failOver: () =>
      untilRole(
        "master",
        servers.replicas.map(({ url }) => url),
      ),
    heal: async () => {
      await servers.join();
      await untilRole("slave", [primary.url]);
    },
    stop: async () => {
      await servers.stop();
      await sides?.remove();
    },
  };
}

async function cluster(parted: boolean): Promise<System | undefined> {
  const sides = parted ? await TwoSides.make() : undefined;
  // The nodes talk to each other at ports that no proxy can stand for.
  if (parted && !sides) return undefined;
  const servers = await startOwnRedisCluster({ replicas: 1, sides });
  const [first] = servers.nodes;
  if (!first) throw new Error("no node");
  const { keyPrefix, replica } = await prefixOn(first.url);
  const reach = { by: "cluster", url: servers.nodes[1]?.url ?? "", keyPrefix } as const;
  return {
    version: `Redis ${servers.version}`,
    reaches: {
      ioredis: { ...reach, client: "ioredis" },
      "node-redis": { ...reach, client: "node-redis" },
      "valkey-glide": { ...reach, client: "valkey-glide" },
    },
    old: { by: "redis", url: first.url, keyPrefix },
    network: sides ? "namespaces" : "a proxy",
    kill: () => first.control.halt("killed"),
    part: async () => sides?.part(),
    failOver: () => untilRole("master", [replica]),
    heal: async () => {
      await sides?.join();
      await untilRole("slave", [first.url]);
    },
    stop: async () => {
      await servers.stop();
      await sides?.remove();
    },
  };
}

/** A prefix whose keys are on this primary of a cluster, and the URL of its replica. */
async function prefixOn(url: string): Promise<{ keyPrefix: string; replica: string }> {
  const redis = new Redis(url);
  try {
    const port = Number(new URL(url).port);
    type Address = readonly [host: string, port: number, id: string];
    let mine: readonly [from: number, to: number, primary: Address, replica?: Address] | undefined;
    await until(async () => {
      const ranges = (await redis.cluster("SLOTS")) as unknown as (typeof mine & object)[];
      mine = ranges.find(([, , primary, replica]) => primary[1] === port && replica);
      return mine !== undefined && /^slave0:.*state=online/m.test(await redis.info("replication"));
    });
    const [from = 0, to = 0, , replica] = mine ?? [];
    for (let number = 0; ; number += 1) {
      const slot = Number(await redis.cluster("KEYSLOT", `{mcp${number}}`));
      if (from <= slot && slot <= to)
        return { keyPrefix: `mcp${number}`, replica: `redis://${replica?.[0]}:${replica?.[1]}` };
    }
  } finally {
    redis.disconnect();
  }
}

/** Waits until one of the servers has the role. */
async function untilRole(role: "master" | "slave", urls: readonly string[]): Promise<void> {
  const servers = urls.map((url) => new Redis(url));
  // The sentinels cut the connections of a server whose role changes.
  for (const redis of servers) redis.on("error", () => undefined);
  try {
    await until(async () => {
      const states = await Promise.all(servers.map((redis) => redis.info("replication")));
      return states.some((state) => state.includes(`role:${role}`));
    });
  } finally {
    for (const redis of servers) redis.disconnect();
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  await vi.waitFor(async () => expect(await condition()).toBe(true), { timeout: 300_000, interval: 50 });
}
