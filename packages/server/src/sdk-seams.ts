/**
 * The seams with the SDK: each place where the extension relies on how
 * `@modelcontextprotocol/server` works, beyond what the SDK documents. Each seam says what it
 * relies on. `test/seams.test.ts` holds each, and fails by its name when a version of the SDK moves
 * it.
 *
 * Checked on @modelcontextprotocol/server 2.3.0 and 2.4.0.
 */
import {
  type CallToolRequest,
  type CallToolResult,
  type InputRequiredResult,
  type JSONRPCMessage,
  McpServer,
  type MessageExtraInfo,
  type RegisteredTool,
  type RequestId,
  Server,
  type ServerContext,
  SUBSCRIPTION_ID_META_KEY,
  type Transport,
  type TransportSendOptions,
} from "@modelcontextprotocol/server";

// Seam 1: the handler of tools/call.

/** What `McpServer` keeps to itself about its tools. */
interface ToolState {
  _registeredTools: Record<string, RegisteredTool>;
  _toolHandlersInitialized: boolean;
}

/**
 * Makes sure that the handler of `tools/call` is still to be registered. A server that was made
 * with `capabilities.tools`, as frameworks make it, has registered it before its first tool: it is
 * made to do that again.
 *
 * Relies on: `McpServer` notes in `_toolHandlersInitialized` that it has registered `tools/list`
 * and `tools/call`, and in `_registeredTools` its tools.
 * @throws Error if the server's first tool is registered already
 */
export function assertNoTools(mcp: McpServer): void {
  const { server } = mcp;
  const state = mcp as unknown as ToolState;
  try {
    server.assertCanSetRequestHandler("tools/call");
  } catch (cause) {
    if (!state._toolHandlersInitialized || Object.keys(state._registeredTools).length > 0)
      throw new Error("Attach the tasks extension before the server's first tool is registered", { cause });
    server.removeRequestHandler("tools/call");
    server.removeRequestHandler("tools/list");
    state._toolHandlersInitialized = false;
  }
}

/** Handles `tools/call`, as `McpServer` passes it to `setRequestHandler`. */
export type ToolCallHandler = (
  request: CallToolRequest,
  ctx: ServerContext,
) => Promise<CallToolResult | InputRequiredResult>;

/**
 * Wraps the handler of `tools/call`. `McpServer` turns almost every error of a tool into a result
 * and checks every result as a tool's, so an error of the protocol or a task has to come from
 * outside of its handler.
 *
 * Relies on: `McpServer` registers its handler when the first tool is registered, with
 * `this.server.setRequestHandler("tools/call", handler)`, on the instance's own method; a callback
 * of a tool gets the same `ctx` object as that handler.
 */
export function wrapToolCalls({ server }: McpServer, wrap: (inner: ToolCallHandler) => ToolCallHandler): void {
  const register = server.setRequestHandler.bind(server) as (...all: unknown[]) => void;
  server.setRequestHandler = ((method: string, handler: unknown, ...rest: unknown[]) =>
    method === "tools/call" && typeof handler === "function"
      ? register(method, wrap(handler as ToolCallHandler))
      : register(method, handler, ...rest)) as typeof server.setRequestHandler;
}

/**
 * Lists the tool with this `taskSupport` for clients of 2025-11-25.
 *
 * Relies on: `tools/list` of 2025-11-25 shows `RegisteredTool.execution`, and that of 2026-07-28
 * leaves it out.
 */
export function declareTaskSupport(tool: RegisteredTool, taskSupport: "optional" | "required"): void {
  tool.execution = { taskSupport };
}

// Seam 2: what passes between a server and its client.

/** Sees each message of a connection before the client or the SDK does. */
export interface Tap {
  opened(): void;
  /** Returns the message to send. */
  outgoing(message: JSONRPCMessage): JSONRPCMessage;
  /** Returns the message for the SDK, or `undefined` to keep it from the SDK. */
  incoming(
    message: JSONRPCMessage,
    extra: MessageExtraInfo | undefined,
    transport: Transport,
  ): JSONRPCMessage | undefined;
  closed(): void;
}

/**
 * Taps each connection of the server.
 *
 * Relies on: a server is connected through `connect(transport)` of `mcp.server`, also by
 * `createMcpHandler` and `serveStdio`; the SDK sends every message through `transport.send`; when
 * `connect` resolves, the SDK has set `transport.onmessage` and `transport.onclose`, and calls of
 * these reach it.
 */
export function tapConnections({ server }: McpServer, tap: Tap): void {
  const connect = server.connect.bind(server);
  server.connect = async (transport) => {
    tap.opened();
    const send = transport.send.bind(transport);
    transport.send = (message, options) => send(tap.outgoing(message), options);
    await connect(transport);
    const { onmessage, onclose } = transport;
    transport.onmessage = (message, extra) => {
      const passed = tap.incoming(message, extra, transport);
      if (passed) onmessage?.(passed, extra);
    };
    transport.onclose = () => {
      tap.closed();
      onclose?.();
    };
  };
}

/**
 * Removes the `content` that the SDK requires in a result of `tools/call` from a result that is a
 * task.
 *
 * Relies on: the SDK refuses a result of `tools/call` without `content` under 2025-11-25, and adds
 * `content: []` to one under 2026-07-28; it keeps fields that it does not know.
 */
export function withoutContentOfTasks(message: JSONRPCMessage): JSONRPCMessage {
  if (!("result" in message)) return message;
  const { content, ...result } = message.result as { content?: unknown; task?: unknown; resultType?: unknown };
  const isTask = result.resultType === "task" || (result.task !== undefined && Array.isArray(content));
  return isTask ? ({ ...message, result } as JSONRPCMessage) : message;
}

/**
 * Removes `inputResponses` that are not an object, and so hold no answers, from a `tasks/update`.
 *
 * Relies on: the SDK moves `inputResponses` of any method from `params` to `ctx.mcpReq`, and
 * replaces a value that is not an object with an empty object.
 * @see SEP-2663, "Task Update Requests"
 */
export function withoutMalformedAnswers(message: JSONRPCMessage): JSONRPCMessage {
  if (!("method" in message) || message.method !== "tasks/update") return message;
  const { inputResponses, ...params } = message.params ?? {};
  const wellFormed = typeof inputResponses === "object" && inputResponses !== null && !Array.isArray(inputResponses);
  return wellFormed ? message : ({ ...message, params } as JSONRPCMessage);
}

// Seam 3: the transport of serveStdio.

/**
 * A transport for `serveStdio`, around the real one. Arriving messages go through `receive`, and
 * the SDK's messages through `send`.
 *
 * Relies on: `serveStdio` uses only `start`, `send`, `close`, `onmessage`, `onclose` and `onerror`
 * of its `transport` option, and sets the callbacks before it calls `start`.
 */
export abstract class OuterTransport implements Transport {
  onmessage?: Transport["onmessage"];
  onclose?: () => void;
  onerror?: (error: Error) => void;
  protected readonly wire: Transport;

  constructor(wire: Transport) {
    this.wire = wire;
  }

  async start(): Promise<void> {
    this.wire.onmessage = (message, extra) => this.receive(message, extra);
    this.wire.onerror = (error) => this.onerror?.(error);
    this.wire.onclose = () => {
      this.closed();
      this.onclose?.();
    };
    await this.wire.start();
  }

  close(): Promise<void> {
    return this.wire.close();
  }

  abstract send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void>;
  protected abstract receive(message: JSONRPCMessage, extra?: MessageExtraInfo): void;
  protected abstract closed(): void;
}

// Seam 4: subscriptions/listen, which cannot be extended in the SDK.

/**
 * Lifts the SDK's own limit of subscriptions, which knows no owners.
 *
 * Relies on: `createMcpHandler` and `serveStdio` refuse a subscription once `maxSubscriptions` are
 * open, and take `Infinity`.
 */
export const UNLIMITED = { maxSubscriptions: Number.POSITIVE_INFINITY } as const;

const ACKNOWLEDGED = "notifications/subscriptions/acknowledged";

/**
 * A message with which the SDK answers `subscriptions/listen`, as far as the extension reads it.
 */
export interface ListenMessage {
  id?: unknown;
  method?: string | undefined;
  params?: Record<string, unknown> | undefined;
  result?: unknown;
}

/**
 * Relies on: the first message of a subscription is the acknowledgement, which holds in
 * `params.notifications` what the SDK honours; `taskIds` is not among it.
 */
export function isAcknowledgement({ method }: ListenMessage): boolean {
  return method === ACKNOWLEDGED;
}

/** The SDK's acknowledgement, with the tasks that the extension follows. */
export function acknowledgementOf(taskIds: readonly string[], params: Record<string, unknown> = {}): JSONRPCMessage {
  const notifications = { ...(params["notifications"] as object | undefined), taskIds: [...taskIds] };
  return { jsonrpc: "2.0", method: ACKNOWLEDGED, params: { ...params, notifications } };
}

/** Whether the SDK itself honours anything. Otherwise it ends a subscription over HTTP at once. */
export function honorsOthers(params: Record<string, unknown> = {}): boolean {
  return Object.keys((params["notifications"] as object | undefined) ?? {}).length > 0;
}

/** The subscription to which a notification belongs. */
export function subscriptionOf(params: Record<string, unknown> | undefined): RequestId | undefined {
  return (params?.["_meta"] as Record<string, RequestId> | undefined)?.[SUBSCRIPTION_ID_META_KEY];
}

/** The answer that ends a `subscriptions/listen`, as the SDK sends it over HTTP. */
export function farewellTo(id: RequestId): JSONRPCMessage {
  return { jsonrpc: "2.0", id, result: { resultType: "complete", _meta: { [SUBSCRIPTION_ID_META_KEY]: id } } };
}

/**
 * The message that makes the SDK forget a subscription on stdio.
 *
 * Relies on: the SDK ends a subscription when `notifications/cancelled` names its request.
 */
export function cancellationOf(requestId: RequestId): JSONRPCMessage {
  return { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId } };
}

// Seam 5: the event stream with which createMcpHandler answers subscriptions/listen.

/**
 * One event of a stream: its text without the blank line that ends it, and the JSON-RPC message in
 * it, if any.
 */
export interface StreamEvent {
  text: string;
  message: ListenMessage | undefined;
}

/**
 * The events of the SDK's stream.
 *
 * Relies on: lines end with a line feed; each event with a message has one `data` line.
 */
export async function* eventsOf(source: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  let rest = "";
  while (true) {
    const { done, value } = await source.read();
    if (done) return;
    const events = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = events.pop() ?? "";
    for (const text of events) {
      const data = /^data: (.*)$/m.exec(text)?.[1];
      yield { text, message: data === undefined ? undefined : (JSON.parse(data) as ListenMessage) };
    }
  }
}

/** A message as the SDK writes it into a stream. */
export function eventOf(message: unknown): string {
  return `event: message\ndata: ${JSON.stringify(message)}`;
}

/** Whether the SDK accepted the request. It answers with JSON to refuse one. */
export function isEventStream({ headers }: Response): boolean {
  return headers.get("content-type")?.startsWith("text/event-stream") === true;
}

// Seam 6: two copies of the SDK in one process.

/**
 * Whether `createMcpHandler` and `serveStdio` of the SDK that the extension loads can serve it.
 *
 * Relies on: these serve only instances of their own classes. Otherwise they answer as if there
 * were no server, without an error.
 */
export function isServable(server: unknown): boolean {
  return server instanceof McpServer || server instanceof Server;
}

/** The failure to report for a server that is not servable. */
export function otherCopy(): Error {
  return new Error(
    "The factory's servers cannot be served: they come from another copy of @modelcontextprotocol/server than the one that @mcp-task-store/server loads. Load both packages with `import`, or both with `require`, and install one version of the SDK",
  );
}
