import { executable } from "./binaries.ts";
import { freePort } from "./ports.ts";
import type { ClusterNodes } from "./redis-cluster-nodes.ts";
import { WayUnavailable } from "./server.ts";
import { runIn, ServerProcess, serverFolder } from "./server-process.ts";

/** Nodes of a Redis Cluster, each a local process. */
export async function startProcessNodes(
  count: number,
  args: readonly string[],
  ping: (port: number) => Promise<unknown>,
): Promise<ClusterNodes> {
  const server = executable("redis-server");
  const cli = executable("redis-cli");
  if (server === undefined || cli === undefined) throw new WayUnavailable("not found");
  const start = async () => {
    const folder = await serverFolder("redis-cluster");
    const port = await freePort();
    const node = new ServerProcess({
      command: server,
      args: [
        ...["--port", String(port), "--cluster-port", String(await freePort())],
        ...["--bind", "127.0.0.1", "--dir", folder, ...args],
      ],
      folder,
      ping: () => ping(port),
      signals: { orderly: "SIGTERM", atOnce: "SIGKILL" },
    });
    await node.start();
    return { port, folder, control: node };
  };

  const nodes = await Promise.all(Array.from({ length: count }, start));
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
