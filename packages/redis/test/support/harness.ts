import { randomUUID } from "node:crypto";
import type { Harness } from "@mcp-task-store/core/conformance";
import { Cluster, Redis } from "ioredis";
import { sharedServer } from "../../../../tooling/databases/fixtures.ts";
import { TcpProxy } from "../../../../tooling/databases/proxy.ts";
import { type Address, open } from "./remote.ts";

/**
 * Long enough for any call on a slow machine, and short enough for cases that wait for a timeout.
 */
const commandTimeoutMs = 4000;

/** Runs the suite on the shared server of this kind. Each case has its own prefix and proxies. */
export function harness(kind: Address["kind"]): Harness {
  return {
    name: kind,
    capabilities: { durable: true, multiProcess: true, outage: true },
    async isolate() {
      const { url } = await sharedServer({ product: kind });
      const proxies = new Map<string, TcpProxy>();
      for (const node of kind === "Redis" ? [url] : await nodesOf(url)) proxies.set(node, await TcpProxy.start(node));
      const each = (run: (proxy: TcpProxy) => Promise<void>) => Promise.all([...proxies.values()].map(run));
      const address: Address = {
        kind,
        url: [...proxies.values()][0]?.url ?? "",
        keyPrefix: `test:${randomUUID()}`,
        natMap: Object.fromEntries(
          [...proxies].map(([node, { port }]) => [new URL(node).host, { host: "127.0.0.1", port }]),
        ),
      };
      return {
        open: (options) => open(address, { commandTimeoutMs, ...options }),
        remote: { module: new URL("remote.ts", import.meta.url).href, argument: address },
        outage: {
          begin: async () => void (await each((proxy) => proxy.begin())),
          end: async () => void (await each((proxy) => proxy.end())),
        },
        destroy: async () => {
          await dropKeys(kind, url, address.keyPrefix);
          await each((proxy) => proxy.begin());
        },
      };
    },
  };
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
