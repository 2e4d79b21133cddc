import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { Pool as NeonPool, neonConfig } from "@neondatabase/serverless";
import { createWebSocketStream, WebSocketServer } from "ws";

/** A WebSocket proxy like Neon's: it connects to the address in the request. */
export async function startWebSocketProxy(): Promise<{ address: string; end(): Promise<void> }> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket, { url = "" }) => {
    const [hostname = "", port] = new URL(url, "ws://proxy").searchParams.get("address")?.split(":") ?? [];
    const stream = createWebSocketStream(socket);
    const upstream = connect(Number(port), hostname);
    for (const each of [stream, upstream]) {
      const end = () => [stream, upstream].map((both) => both.destroy());
      each.on("error", end).on("close", end);
    }
    stream.pipe(upstream).pipe(stream);
  });
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async end() {
      for (const client of server.clients) client.terminate();
      server.close();
      await once(server, "close");
    },
  };
}

/** A pool of Neon's serverless driver, which reaches any server by the proxy. */
export function neonPool(connectionString: string, proxy: string, max: number): NeonPool {
  neonConfig.wsProxy = (host, port) => `${proxy}/v2?address=${host}:${port}`;
  neonConfig.useSecureWebSocket = false;
  neonConfig.pipelineTLS = false;
  neonConfig.pipelineConnect = false;
  const pool = new NeonPool({ connectionString, max });
  pool.on("error", () => undefined);
  return pool;
}
