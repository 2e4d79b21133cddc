import { randomBytes, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { defineCommand } from "../command.ts";
import { EXIT, Failure, UsageError } from "../exit.ts";
import { failureText } from "../failures.ts";

const HOST = "127.0.0.1";
const DEFAULT_PORT = 4321;
const COOKIE = "mcp-tasks-dashboard";

export default defineCommand({
  usage: "",
  arity: [0, 0],
  // Acts are refused by the dashboard itself with --read-only.
  writes: false,
  options: {
    port: { type: "string", value: "PORT", help: `the port on ${HOST} (${DEFAULT_PORT}; 0 takes a free one)` },
  },
  details:
    "Serves the dashboard to this machine alone, until interrupted, and prints its address. The address holds a token that works once: the browser that opens it gets a cookie. With --read-only the dashboard shows and changes nothing.",
  async run({ values, output, signal, open, settings }) {
    const port = portOf(values.port);
    const [{ createDashboard }, { toNodeHandler }] = await Promise.all([
      import("@mcp-task-store/dashboard"),
      import("@mcp-task-store/dashboard/node"),
    ]);
    const { store } = await open();
    // Fails here if the store cannot be reached, and not in the browser.
    await store.operations.listRecords({ limit: 1 });
    const token = randomBytes(24).toString("base64url");
    const door = new Door(token, settings.readOnly ? "read-only" : "all");
    const server = createServer();
    await listening(server, port);
    const { port: taken } = server.address() as AddressInfo;
    const dashboard = createDashboard({
      stores: { main: store },
      access: (request) => door.access(request),
      allowedHosts: [`${HOST}:${taken}`, `localhost:${taken}`],
      onError: (error) => output.warn(failureText(error)),
    });
    server.on("request", toNodeHandler(dashboard));
    const url = `http://${HOST}:${taken}/?token=${token}`;
    if (output.json) output.document({ url });
    else output.line(`The dashboard is at ${url}`);
    if (!signal.aborted) await once(signal, "abort");
    server.close();
    await dashboard.close();
    server.closeAllConnections();
    return EXIT.ok;
  },
});

function portOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_PORT;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new UsageError("--port takes a number from 0 to 65535");
  return port;
}

async function listening(server: Server, port: number): Promise<void> {
  server.listen(port, HOST);
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE")
      throw new Failure(`port ${port} is taken: give another one with --port, or 0 for a free one`);
    throw error;
  }
}

/** Lets in the one browser that has the token, and then knows it by a cookie. */
class Door {
  readonly #may: "all" | "read-only";
  readonly #cookie = randomBytes(24).toString("base64url");
  #token: string | undefined;

  constructor(token: string, may: "all" | "read-only") {
    this.#token = token;
    this.#may = may;
  }

  access(request: Request): "all" | "read-only" | Response | undefined {
    if (isSame(cookieOf(request), this.#cookie)) return this.#may;
    const url = new URL(request.url);
    if (this.#token === undefined || !isSame(url.searchParams.get("token"), this.#token)) return undefined;
    this.#token = undefined;
    const cookie = `${COOKIE}=${this.#cookie}; HttpOnly; SameSite=Strict; Path=/`;
    return new Response(null, { status: 303, headers: { location: url.pathname, "set-cookie": cookie } });
  }
}

function cookieOf(request: Request): string | undefined {
  const cookies = (request.headers.get("cookie") ?? "").split(/; */);
  return cookies.find((each) => each.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1);
}

function isSame(given: string | null | undefined, wanted: string): boolean {
  const [one, other] = [Buffer.from(given ?? ""), Buffer.from(wanted)];
  return one.length === other.length && timingSafeEqual(one, other);
}
