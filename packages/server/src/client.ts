/** JSON, as the official tasks client types it. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** The answer to a request. */
export type RawAnswer =
  | { readonly kind: "result"; readonly result: JsonValue }
  | { readonly kind: "error"; readonly error: { code: number; message: string; data?: JsonValue | undefined } };

export interface RawDispatchOptions {
  /** The address of the server's MCP endpoint. */
  url: string | URL;
  /** More headers, such as `authorization`. */
  headers?: ConstructorParameters<typeof Headers>[0];
  /**
   * Sends the requests, for instance with a fresh access token each time.
   * @default the global `fetch`
   */
  fetch?: ((url: string | URL, init: RequestInit) => Promise<Response>) | undefined;
  /** @default "2026-07-28" */
  protocolVersion?: string | undefined;
}

/**
 * Makes the `rawDispatch` option of the official tasks client. It sends requests over Streamable
 * HTTP as they are, because the client of SDK 2.x refuses answers that are tasks.
 *
 * @returns A function that rejects with the error of `fetch`, and with an `Error` if the server
 * does not answer with JSON-RPC
 * @example
 * const session = createTaskSessionFromClient(client, {
 *   endpointId: url,
 *   rawDispatch: rawDispatch({ url }),
 *   v2RequestFraming: { protocolVersion: "2026-07-28", clientInfo, clientCapabilities },
 * });
 */
export function rawDispatch(
  options: RawDispatchOptions,
): (request: JsonValue, options?: { readonly signal?: AbortSignal | undefined }) => Promise<RawAnswer> {
  const { url, headers: more, fetch: send, protocolVersion = "2026-07-28" } = options;
  return async (request, { signal } = {}) => {
    const { method, params } = request as { method: string; params?: { name?: string; taskId?: string } };
    const headers = new Headers(more);
    headers.set("content-type", "application/json");
    headers.set("accept", "application/json, text/event-stream");
    headers.set("mcp-protocol-version", protocolVersion);
    headers.set("mcp-method", method);
    const name = params?.name ?? params?.taskId;
    if (name !== undefined) headers.set("mcp-name", name);
    const id = crypto.randomUUID();
    const body = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    const init = { method: "POST", headers, body, signal: signal ?? null };
    return answerOf(await (send ?? fetch)(url, init), id);
  };
}

interface Message {
  id?: unknown;
  result?: JsonValue;
  error?: { code: number; message: string; data?: JsonValue };
}

/** Finds the answer in a JSON body, or among the messages of an event stream. */
async function answerOf(response: Response, id: string): Promise<RawAnswer> {
  const text = await response.text();
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  const messages = isStream ? [...text.matchAll(/^data: ?(.+)$/gm)].map(([, data = ""]) => data) : [text];
  for (const message of messages) {
    const { id: of, result, error } = parsed(message);
    // A server that could not read the request answers without an id.
    if (error && (of === id || of === null || of === undefined)) return { kind: "error", error };
    if (result !== undefined && of === id) return { kind: "result", result };
  }
  throw new Error(`The server answered ${response.status} without a JSON-RPC response`);
}

function parsed(text: string): Message {
  try {
    return (JSON.parse(text) as Message | null) ?? {};
  } catch {
    return {};
  }
}
