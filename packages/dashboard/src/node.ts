import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { Dashboard } from "./dashboard.ts";

/** A request as Express and Connect pass it on. */
interface MountedRequest extends IncomingMessage {
  /** The whole address, where a mount path was cut off `url`. */
  originalUrl?: string;
  /** What a parser of bodies has read. */
  body?: unknown;
}

/**
 * Serves a dashboard by `node:http`, Express or Connect.
 * @example
 * createServer(toNodeHandler(dashboard)).listen(3000, "127.0.0.1");
 * @example
 * app.use("/ops", toNodeHandler(dashboard));
 */
export function toNodeHandler(
  dashboard: Pick<Dashboard, "fetch">,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    // From here on only the connection can fail, and then no one reads an answer.
    serve(dashboard, request, response).catch(() => response.destroy());
  };
}

async function serve(
  dashboard: Pick<Dashboard, "fetch">,
  incoming: MountedRequest,
  outgoing: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort());
  const request = requestOf(incoming, gone.signal);
  if (!request) {
    outgoing.writeHead(400).end();
    return;
  }
  const response = await dashboard.fetch(request);
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) if (name !== "set-cookie") outgoing.setHeader(name, value);
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader("set-cookie", cookies);
  if (!response.body) {
    outgoing.end();
    return;
  }
  // The head goes out before the first event of a stream.
  outgoing.flushHeaders();
  const reader = response.body.getReader();
  gone.signal.addEventListener("abort", () => void reader.cancel().catch(() => undefined), { once: true });
  for (;;) {
    const { done, value } = await reader.read();
    if (done || gone.signal.aborted) break;
    if (!outgoing.write(value)) await once(outgoing, "drain", { signal: gone.signal });
  }
  outgoing.end();
}

function requestOf(incoming: MountedRequest, signal: AbortSignal): Request | undefined {
  const { method = "GET", headers } = incoming;
  const scheme = "encrypted" in incoming.socket ? "https" : "http";
  try {
    const url = new URL(
      incoming.originalUrl ?? incoming.url ?? "/",
      `${scheme}://${headers.host ?? headers[":authority"] ?? "localhost"}`,
    );
    const init: RequestInit = { method, signal, headers: headersOf(incoming) };
    if (method === "GET" || method === "HEAD") return new Request(url, init);
    if (incoming.body !== undefined) return new Request(url, { ...init, body: JSON.stringify(incoming.body) });
    const body = Readable.toWeb(incoming) as ReadableStream<Uint8Array>;
    return new Request(url, { ...init, body, duplex: "half" } as RequestInit);
  } catch {
    // A host, an address or a method that no request may have.
    return undefined;
  }
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    if (!name.startsWith(":")) headers.append(name, rawHeaders[index + 1] as string);
  }
  return headers;
}
