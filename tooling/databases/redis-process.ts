import { executable } from "./binaries.ts";
import { freePort } from "./ports.ts";
import { type OwnServer, WayUnavailable } from "./server.ts";
import { ServerProcess, serverFolder } from "./server-process.ts";

export interface RedisSetup {
  readonly args: readonly string[];
  /** Returns the version of the server at a URL. */
  ping(url: string): Promise<string>;
}

/** Redis as a local process, with its data in a temporary folder. */
export async function startRedisProcess({ args, ping }: RedisSetup): Promise<OwnServer> {
  const command = executable("redis-server");
  if (command === undefined) throw new WayUnavailable("not found");
  const folder = await serverFolder("redis");
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const server = new ServerProcess({
    command,
    args: ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, ...args],
    folder,
    ping: () => ping(url),
    signals: { orderly: "SIGTERM", atOnce: "SIGKILL" },
  });
  await server.start();
  const way = "server binaries on this machine";
  return { url, version: await ping(url), way, control: server, stop: () => server.stop() };
}
