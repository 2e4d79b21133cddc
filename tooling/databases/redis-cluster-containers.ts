import { onNetwork, ServerContainer } from "./docker.ts";
import { freePort } from "./ports.ts";
import type { ClusterNodes, NodeAddress } from "./redis-cluster-nodes.ts";
import { redisImage } from "./redis-container.ts";

/**
 * Nodes of a Redis Cluster, each a container. They share the network of another container, which
 * publishes their ports. So 127.0.0.1 and a port mean the same node inside and outside.
 */
export async function startContainerNodes(
  count: number,
  args: readonly string[],
  ping: (node: NodeAddress) => Promise<unknown>,
): Promise<ClusterNodes> {
  const image = await redisImage();
  const { GenericContainer, Wait } = await import("testcontainers");
  const ports = await Promise.all(Array.from({ length: count }, freePort));
  const network = await ServerContainer.start(
    onNetwork(new GenericContainer(image))
      .withCommand(["sleep", "infinity"])
      .withExposedPorts(...ports.map((port) => ({ container: port, host: port })))
      .withWaitStrategy(Wait.forSuccessfulCommand("true")),
    async () => {},
  );
  const start = async (port: number) => {
    const address = ["--port", String(port), "--cluster-port", String(await freePort()), "--protected-mode", "no"];
    const node = new GenericContainer(image)
      .withNetworkMode(`container:${network.id}`)
      .withCommand(["redis-server", ...address, ...args])
      .withWaitStrategy(Wait.forLogMessage("Ready to accept connections"));
    const at = { host: "127.0.0.1", port };
    return { ...at, control: await ServerContainer.start(node, () => ping(at)) };
  };

  const nodes = await Promise.all(ports.map(start));
  return {
    way: `testcontainers, ${image}`,
    nodes,
    redisCli: (command) => network.run(["redis-cli", ...command]),
    stop: async () => {
      await Promise.all([network, ...nodes.map(({ control }) => control)].map((container) => container.stop()));
    },
  };
}
