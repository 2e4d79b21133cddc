import { randomUUID } from "node:crypto";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import {
  type ApplicationInputHandler,
  createApplicationInputHandler,
  createTaskSessionFromClient,
  type JsonRpcResponse,
  type TaskEnabledSession,
  type V2RequestFraming,
} from "@modelcontextprotocol/ext-tasks/client";

const PROTOCOL = "2026-07-28";
const clientInfo = { name: "official-client", version: "1.0.0" };

export interface ModernClient extends AsyncDisposable {
  readonly client: Client;
  readonly session: TaskEnabledSession;
  /** What the application was asked, in order. */
  readonly asked: readonly string[];
  /** Any request of the extension, as it goes over the wire. */
  request(method: string, params: Record<string, unknown>): Promise<JsonRpcResponse>;
  /** The stream that tells of these tasks. */
  listen(taskIds: readonly string[]): Promise<Response>;
}

export interface ModernOptions {
  user?: string;
  /** What the client declares besides the extension. Default: elicitation and sampling. */
  capabilities?: Record<string, object>;
  /** Says whom to take for the user; the model says 42. */
  name?: string;
}

/** The official client of the extension, over Streamable HTTP. */
export async function connectModern(url: string, options: ModernOptions = {}): Promise<ModernClient> {
  const { user, capabilities = { elicitation: { form: {} }, sampling: {} }, name = "Ada" } = options;
  const authorization: Record<string, string> = user === undefined ? {} : { authorization: `Bearer ${user}` };
  const clientCapabilities = { ...capabilities, extensions: { "io.modelcontextprotocol/tasks": {} } };
  const client = new Client(clientInfo, { capabilities: clientCapabilities, versionNegotiation: { mode: "auto" } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: authorization } }));
  const framing: V2RequestFraming = { protocolVersion: PROTOCOL, clientInfo, clientCapabilities };
  const asked: string[] = [];
  const rawDispatch = dispatcher(url, authorization);
  const closing = new AbortController();
  const session = createTaskSessionFromClient(client, {
    // Not the URL: a reference outlives a server that listens on a port of its own.
    endpointId: "clients-test",
    rawDispatch,
    v2RequestFraming: framing,
    onInputRequest: answering(asked, name),
  });
  return {
    client,
    session,
    asked,
    request: (method, params) => rawDispatch({ method, params: { ...params, _meta: envelope(framing) } }),
    listen(taskIds) {
      const params = { notifications: { taskIds }, _meta: envelope(framing) };
      return post(url, authorization, { method: "subscriptions/listen", params }, { signal: closing.signal });
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await session.close();
      await client.close();
    },
  };
}

function envelope(framing: V2RequestFraming): Record<string, unknown> {
  return {
    "io.modelcontextprotocol/protocolVersion": framing.protocolVersion,
    "io.modelcontextprotocol/clientInfo": framing.clientInfo,
    "io.modelcontextprotocol/clientCapabilities": framing.clientCapabilities,
  };
}

function answering(asked: string[], name: string): ApplicationInputHandler["handle"] {
  return createApplicationInputHandler({
    elicitation: ({ params }, { delivery }) => {
      asked.push(`${delivery}: ${params["message"]}`);
      return { action: "accept", content: { name } };
    },
    sampling: (_, { delivery }) => {
      asked.push(`${delivery}: sampling`);
      return { model: "deep", role: "assistant", content: { type: "text", text: "42" } };
    },
    roots: () => ({ roots: [] }),
  });
}

/** Sends what the SDK's client would refuse to, and takes the answer as it is. */
function dispatcher(url: string, authorization: Record<string, string>) {
  return async (request: unknown, options?: { signal?: AbortSignal }): Promise<JsonRpcResponse> => {
    const response = await post(url, authorization, request, options);
    const { result, error } = (await response.json()) as { result: never; error?: never };
    return error === undefined ? { kind: "result", result } : { kind: "error", error };
  };
}

function post(
  url: string,
  authorization: Record<string, string>,
  request: unknown,
  options: { signal?: AbortSignal } = {},
): Promise<Response> {
  const { method, params } = request as { method: string; params: { name?: string; taskId?: string } };
  const headers = new Headers(authorization);
  headers.set("content-type", "application/json");
  headers.set("accept", "application/json, text/event-stream");
  headers.set("mcp-protocol-version", PROTOCOL);
  headers.set("mcp-method", method);
  const name = params.name ?? params.taskId;
  if (name !== undefined) headers.set("mcp-name", name);
  const body = JSON.stringify({ jsonrpc: "2.0", id: randomUUID(), method, params });
  return fetch(url, { method: "POST", headers, body, ...options });
}
