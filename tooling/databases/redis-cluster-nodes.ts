import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import type { ServerControl } from "./server.ts";

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

/** Servers that will form a Redis Cluster. */
export interface ClusterNodes {
  readonly way: string;
  readonly nodes: readonly (NodeAddress & { readonly control: ServerControl })[];
  redisCli(args: string[]): Promise<unknown>;
  stop(): Promise<void>;
}

export function nodeUrl({ host, port }: NodeAddress): string {
  return `redis://${host}:${port}`;
}

/** Returns when every node knows that the cluster is complete. */
export async function makeCluster({ nodes, redisCli }: ClusterNodes, replicas: number): Promise<void> {
  const addresses = nodes.map(({ host, port }) => `${host}:${port}`);
  await redisCli(["--cluster", "create", ...addresses, "--cluster-replicas", String(replicas), "--cluster-yes"]);
  await untilComplete(nodes.map(nodeUrl));
}

export function controlOf({ nodes }: ClusterNodes): ServerControl {
  const each = async (action: (control: ServerControl) => Promise<void>): Promise<void> => {
    await Promise.all(nodes.map(({ control }) => action(control)));
  };
  return {
    pause: () => each((node) => node.pause()),
    resume: () => each((node) => node.resume()),
    halt: (how) => each((node) => node.halt(how)),
    start: async () => {
      await each((node) => node.start());
      await untilComplete(nodes.map(nodeUrl));
    },
  };
}

async function untilComplete(urls: readonly string[]): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (const url of urls) {
    const redis = new Redis(url);
    redis.on("error", () => {});
    try {
      while (!(await redis.cluster("INFO")).includes("cluster_state:ok")) {
        if (Date.now() > deadline) throw new Error("the Redis Cluster does not become complete");
        await sleep(20);
      }
    } finally {
      redis.disconnect();
    }
  }
}
