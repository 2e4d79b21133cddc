import { once } from "node:events";
import { createServer } from "node:net";

// Below the ports that systems give to outgoing connections: there, a client that tries to reach a server which is down
// could be given the server's own port, connect to itself, and keep the server from coming back.
const first = 15_000;
const last = 32_000;
const given = new Set<number>();

/** A port that nothing listens on. A server keeps it when it is halted and started again. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = first + Math.floor(Math.random() * (last - first));
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      return port;
    }
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port), "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
