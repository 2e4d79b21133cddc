import { Cluster } from "ioredis";
import { redisVersion } from "./redis.ts";
import { startContainerNodes } from "./redis-cluster-containers.ts";
import { type ClusterNodes, controlOf, makeCluster, type NodeAddress, nodeUrl } from "./redis-cluster-nodes.ts";
import { startProcessNodes } from "./redis-cluster-processes.ts";
import {
  type DatabaseServer,
  firstWay,
  type OwnServer,
  type ServerControl,
  type Way,
  WayUnavailable,
} from "./server.ts";
import type { TwoSides } from "./two-sides.ts";

export interface RedisClusterOptions {
  /** More settings for each node. */
  readonly args?: readonly string[];
  /** Replicas of each of the three masters. Default: none. */
  readonly replicas?: number;
  /**
   * The first node is on the first side, and all others are on the second. Default: on this
   * machine.
   */
  readonly sides?: TwoSides | undefined;
}

/** `url` is the address of one node, which leads to the others. */
export interface RedisCluster extends DatabaseServer {
  readonly nodes: readonly { readonly url: string }[];
}

/** `control` acts on all nodes at once. Each node has its own too. */
export interface OwnRedisCluster extends OwnServer {
  readonly nodes: readonly { readonly url: string; readonly control: ServerControl }[];
}

/**
 * A Redis Cluster for tests that do not harm it: the one of `TEST_REDIS_CLUSTER_URL`, or three new
 * masters.
 */
export function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const given: Way<RedisCluster> = {
    advice: "set TEST_REDIS_CLUSTER_URL to a node of a cluster where tests may add keys",
    start: givenCluster,
  };
  return firstWay("a Redis Cluster", [given, ...ownWays(options)]);
}

/** A Redis Cluster for one test. */
export function startOwnRedisCluster(options: RedisClusterOptions = {}): Promise<OwnRedisCluster> {
  return firstWay("a Redis Cluster of their own", ownWays(options));
}

function ownWays({ args = [], replicas = 0, sides }: RedisClusterOptions): Way<OwnRedisCluster>[] {
  const settings = [
    ...["--save", "", "--appendonly", "yes"],
    ...["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0"],
    ...args,
  ];
  const count = 3 * (1 + replicas);
  const ping = (node: NodeAddress) => redisVersion(nodeUrl(node));
  const processes = {
    advice: "install redis-server and redis-cli, on PATH",
    start: async () => clusterOf(await startProcessNodes(count, settings, ping, sides), replicas),
  };
  // Docker has networks of its own.
  if (sides) return [processes];
  const containers = {
    advice: "start Docker, and containers will be used",
    start: async () => clusterOf(await startContainerNodes(count, settings, ping), replicas),
  };
  return [containers, processes];
}

async function clusterOf(started: ClusterNodes, replicas: number): Promise<OwnRedisCluster> {
  try {
    await makeCluster(started, replicas);
    const nodes = started.nodes.map((node) => ({ url: nodeUrl(node), control: node.control }));
    const url = nodes[0]?.url ?? "";
    const version = await redisVersion(url);
    return { url, version, way: started.way, nodes, control: controlOf(started), stop: started.stop };
  } catch (error) {
    await started.stop();
    throw error;
  }
}

async function givenCluster(): Promise<RedisCluster> {
  const url = process.env["TEST_REDIS_CLUSTER_URL"];
  if (url === undefined || url === "") throw new WayUnavailable("it is not set");
  const { username, password, protocol } = new URL(url);
  const options = { username, password, ...(protocol === "rediss:" ? { tls: {} } : {}) };
  const cluster = new Cluster([url], { lazyConnect: true, redisOptions: options });
  try {
    await cluster.connect();
    const nodes = cluster.nodes("all").map(({ options: { host, port } }) => {
      const node = new URL(url);
      node.host = `${host}:${port}`;
      return { url: String(node) };
    });
    return { url, nodes, version: await redisVersion(url), way: "TEST_REDIS_CLUSTER_URL", stop: async () => {} };
  } finally {
    cluster.disconnect();
  }
}
