import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";

/** The server that answers a request. */
export interface Turn {
  readonly url: string;
  /** Called once the answer has been passed on, or the client has gone. */
  end(): void;
}

export interface HttpProxy extends AsyncDisposable {
  readonly url: string;
}

/** Passes each request to the server whose turn it is, and streams the answer back. */
export async function startProxy(next: () => Promise<Turn>): Promise<HttpProxy> {
  const server = createServer(async (incoming, outgoing) => {
    let turn: Turn | undefined;
    try {
      turn = await next();
      await pass(turn.url, incoming, outgoing);
    } catch {
      // The client would see a lost server, which it does not expect.
      outgoing.destroy();
    } finally {
      turn?.end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function pass(url: string, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  // A connection that is kept alive would send the next request to the same server.
  const headers = { ...incoming.headers, connection: "close" };
  const forwarded = request(url, { method: incoming.method, headers, agent: false });
  outgoing.once("close", () => forwarded.destroy());
  incoming.pipe(forwarded);
  const [answer] = (await once(forwarded, "response")) as [IncomingMessage];
  const { connection: _, ...kept } = answer.headers;
  outgoing.writeHead(answer.statusCode ?? 502, kept).flushHeaders();
  await pipeline(answer, outgoing);
}
