import { randomUUID } from "node:crypto";
import type { Harness } from "@mcp-task-store/core/conformance";
import { Cluster, Redis } from "ioredis";
import { sharedServer } from "../../../../tooling/databases/fixtures.ts";
import { TcpProxy } from "../../../../tooling/databases/proxy.ts";
import { type Address, clientAt, openWith } from "./remote.ts";

/**
 * Long enough for the first call on a slow machine, which connects to every node of a cluster, and
 * short enough for cases that wait for a timeout.
 */
const commandTimeoutMs = { Redis: 4000, "Redis Cluster": 8000 };
const patienceMs = 20_000;

/**
 * Runs the suite on the shared server of this kind, or on the one at the URL, by this client. Each
 * case has its own prefix and proxies.
 */
export function harness(kind: Address["kind"], by: Address["by"], url?: string): Harness {
  return {
    name: `${kind} (${by})`,
    capabilities: { durable: true, multiProcess: true, outage: true },
    patienceMs,
    async isolate() {
      const { address, client, proxies, destroy } = await place(kind, by, url);
      return {
        open: (options) => openWith(address, client, { commandTimeoutMs: commandTimeoutMs[kind], ...options }),
        remote: { module: new URL("remote.ts", import.meta.url).href, argument: address },
        outage: {
          begin: async () => void (await Promise.all(proxies.map((proxy) => proxy.begin()))),
          end: async () => void (await Promise.all(proxies.map((proxy) => proxy.end()))),
        },
        destroy,
      };
    },
  };
}

/** A prefix on the server, whose nodes are behind proxies. */
export async function place(kind: Address["kind"], by: Address["by"], given?: string) {
  const url = given ?? (await sharedServer({ product: kind })).url;
  const nodes = kind === "Redis" ? [url] : await nodesOf(url);
  const proxies = await Promise.all(nodes.map((node) => TcpProxy.start(node)));
  const natMap = nodes.map((node, index) => [
    new URL(node).host,
    { host: "127.0.0.1", port: (proxies[index] as TcpProxy).port },
  ]);
  const address: Address = {
    kind,
    by,
    url: (proxies[0] as TcpProxy).url,
    keyPrefix: `test:${randomUUID()}`,
    natMap: Object.fromEntries(natMap),
  };
  const destroy = async () => {
    await dropKeys(kind, url, address.keyPrefix);
    await Promise.all(proxies.map((proxy) => proxy.begin()));
  };
  return { address, client: await clientAt(address), proxies, destroy };
}

async function nodesOf(url: string): Promise<string[]> {
  const cluster = new Cluster([url]);
  try {
    await cluster.ping();
    return cluster.nodes("master").map(({ options: { host, port } }) => `redis://${host}:${port}`);
  } finally {
    cluster.disconnect();
  }
}

/** Deletes every key of the store. */
async function dropKeys(kind: Address["kind"], url: string, prefix: string): Promise<void> {
  const client = kind === "Redis" ? new Redis(url) : new Cluster([url]);
  try {
    await client.ping();
    for (const node of client instanceof Cluster ? client.nodes("master") : [client]) {
      for await (const keys of node.scanStream({ match: `{${prefix}}:*`, count: 1000 }))
        await Promise.all(keys.map((key: string) => node.unlink(key)));
    }
  } finally {
    client.disconnect();
  }
}
