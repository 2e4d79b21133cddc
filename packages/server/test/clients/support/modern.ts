import { randomUUID } from "node:crypto";
import { type JsonValue, rawDispatch } from "@mcp-task-store/server/client";
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
  /** The questions to the application, in order. */
  readonly asked: readonly string[];
  /** Sends any request of the extension, and returns the raw response. */
  request(method: string, params: Record<string, unknown>): Promise<JsonRpcResponse>;
  /** Opens a subscription to these tasks. */
  listen(taskIds: readonly string[]): Promise<Response>;
}

export interface ModernOptions {
  user?: string;
  /** Capabilities besides the extension. Default: elicitation and sampling. */
  capabilities?: Record<string, object>;
  /** The user's answer to questions. The model answers 42. */
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
  const dispatch = rawDispatch({ url, headers: authorization });
  const closing = new AbortController();
  const session = createTaskSessionFromClient(client, {
    // Not the URL: a reference must outlive a server on a random port.
    endpointId: "clients-test",
    rawDispatch: dispatch,
    v2RequestFraming: framing,
    onInputRequest: answering(asked, name),
  });
  return {
    client,
    session,
    asked,
    request: (method, params) => dispatch(asJson({ method, params: { ...params, _meta: envelope(framing) } })),
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

/** Tests send JSON only, so this cast is safe. */
function asJson(value: object): JsonValue {
  return value as JsonValue;
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
