import { once } from "node:events";
import { createServer } from "node:net";

// Below the ports of outgoing connections. Otherwise a client of a stopped server could get the
// server's own port, connect to itself, and keep the server from restarting.
const first = 15_000;
const last = 32_000;
const given = new Set<number>();

/** A free port, which a server keeps over a restart. */
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
