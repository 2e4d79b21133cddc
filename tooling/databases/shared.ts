import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { startPostgres } from "./postgres.ts";
import { startRedis } from "./redis.ts";
import { startRedisCluster } from "./redis-cluster.ts";
import { type DatabaseServer, describeServer } from "./server.ts";

/** A request of test files for a shared server. */
export type SharedServerRequest =
  | { readonly product: "PostgreSQL"; readonly version?: number }
  | { readonly product: "Redis" }
  | { readonly product: "Redis Cluster" };

export type SharedServer = Pick<DatabaseServer, "url" | "version" | "way">;

/** Starts each server when the first test file asks for it, and ends them all together. */
export class SharedServers {
  readonly #servers = new Map<string, Promise<DatabaseServer>>();
  readonly #report: (line: string) => void;
  readonly #lines: string[] = [];
  #listener: Server | undefined;

  constructor(report: (line: string) => void) {
    this.#report = report;
  }

  /** One line for each server that was started. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Test files run in their own processes, and ask here. */
  async listen(): Promise<string> {
    const listener = createServer(async (request, response) => {
      try {
        const { url, version, way } = await this.get(JSON.parse(await text(request)));
        response.end(JSON.stringify({ url, version, way } satisfies SharedServer));
      } catch (error) {
        response.writeHead(500).end((error as Error).message);
      }
    });
    this.#listener = listener;
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
  }

  get(request: SharedServerRequest): Promise<DatabaseServer> {
    const key = JSON.stringify(request);
    let server = this.#servers.get(key);
    if (server === undefined) {
      server = this.#start(request);
      this.#servers.set(key, server);
    }
    return server;
  }

  async #start(request: SharedServerRequest): Promise<DatabaseServer> {
    const server = await start(request);
    const line = describeServer(request.product, server);
    this.#lines.push(line);
    this.#report(line);
    return server;
  }

  async close(): Promise<void> {
    this.#listener?.close();
    this.#listener?.closeAllConnections();
    // If a server could not start, the test file that asked for it got the error.
    const servers = await Promise.allSettled(this.#servers.values());
    await Promise.all(servers.map((outcome) => (outcome.status === "fulfilled" ? outcome.value.stop() : undefined)));
  }
}

function start(request: SharedServerRequest): Promise<DatabaseServer> {
  switch (request.product) {
    case "PostgreSQL":
      return startPostgres(request);
    case "Redis":
      return startRedis();
    case "Redis Cluster":
      return startRedisCluster();
  }
}
