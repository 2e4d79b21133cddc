import { needImage, onNetwork, ServerContainer } from "./docker.ts";
import { freePort } from "./ports.ts";
import type { RedisSetup } from "./redis-process.ts";
import type { OwnServer } from "./server.ts";

/** The image to use, which is present once this returns. */
export async function redisImage(): Promise<string> {
  const image = process.env["TEST_REDIS_IMAGE"] || "redis:8.10.2-alpine";
  await needImage(image);
  return image;
}

/** Redis as a container. */
export async function startRedisContainer({ args, ping }: RedisSetup): Promise<OwnServer> {
  const image = await redisImage();
  const { RedisContainer } = await import("@testcontainers/redis");
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const server = await ServerContainer.start(
    onNetwork(new RedisContainer(image))
      .withExposedPorts({ container: 6379, host: port })
      .withCommand(["redis-server", "--protected-mode", "no", ...args]),
    () => ping(url),
  );
  return { url, version: await ping(url), way: `testcontainers, ${image}`, control: server, stop: () => server.stop() };
}
