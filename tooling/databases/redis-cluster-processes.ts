import { executable } from "./binaries.ts";
import { freePort } from "./ports.ts";
import type { ClusterNodes, NodeAddress } from "./redis-cluster-nodes.ts";
import { WayUnavailable } from "./server.ts";
import { runIn, ServerProcess, serverFolder } from "./server-process.ts";
import type { TwoSides } from "./two-sides.ts";

/**
 * Nodes of a Redis Cluster, each a local process. With sides, the first node is on the first one,
 * and all others are on the second.
 */
export async function startProcessNodes(
  count: number,
  args: readonly string[],
  ping: (node: NodeAddress) => Promise<unknown>,
  sides?: TwoSides,
): Promise<ClusterNodes> {
  const server = executable("redis-server");
  const cli = executable("redis-cli");
  if (server === undefined || cli === undefined) throw new WayUnavailable("not found");
  const start = async (side: 0 | 1) => {
    const { address: host, namespace } = sides?.sides[side] ?? { address: "127.0.0.1", namespace: undefined };
    const folder = await serverFolder("redis-cluster");
    const port = await freePort();
    const node = new ServerProcess({
      command: server,
      args: [
        ...["--port", String(port), "--cluster-port", String(await freePort())],
        ...["--bind", host, "--protected-mode", "no", "--dir", folder, ...args],
      ],
      folder,
      namespace,
      ping: () => ping({ host, port }),
      signals: { orderly: "SIGTERM", atOnce: "SIGKILL" },
    });
    await node.start();
    return { host, port, folder, control: node };
  };

  const nodes = await Promise.all(Array.from({ length: count }, (_, index) => start(index === 0 ? 0 : 1)));
  const folder = nodes[0]?.folder ?? "";
  return {
    way: "server binaries on this machine",
    nodes,
    redisCli: (command) => runIn(folder, cli, command),
    stop: async () => {
      await Promise.all(nodes.map(({ control }) => control.stop()));
    },
  };
}
