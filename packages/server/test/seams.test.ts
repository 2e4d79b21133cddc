import {
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  createMcpHandler,
  InMemoryTransport,
  type JSONRPCMessage,
  McpServer,
  PROTOCOL_VERSION_META_KEY,
  type Result,
  type ServerContext,
  type Transport,
} from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { expect, test } from "vitest";

// The SDK behaviour that `src/sdk-seams.ts` relies on, without this package. If a test fails after
// an update of the SDK, fix the function that the test names.

const moved = (seam: string, what: string) =>
  `The SDK moved the seam "${seam}" of packages/server/src/sdk-seams.ts: ${what}`;

const MODERN = "2026-07-28";
const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";
const _meta = {
  [PROTOCOL_VERSION_META_KEY]: MODERN,
  [CLIENT_INFO_META_KEY]: { name: "seams-test", version: "1.0.0" },
  [CLIENT_CAPABILITIES_META_KEY]: {},
};
const clientInfo = { name: "seams-test", version: "1.0.0" };

type Message = { id?: unknown; method?: string; params?: Result; result?: Result; error?: { code: number } };

function newServer(): McpServer {
  return new McpServer({ name: "seams-test", version: "1.0.0" });
}

function request(method: string, params: object, id: number | string = 1): Request {
  const name = (params as { name?: string; taskId?: string }).name ?? (params as { taskId?: string }).taskId;
  return new Request("http://127.0.0.1/mcp", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": MODERN,
      "mcp-method": method,
      ...(name === undefined ? {} : { "mcp-name": name }),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, _meta } }),
  });
}

/** The answer to one request over HTTP, under 2026-07-28. */
async function modern(factory: () => McpServer, method: string, params: object): Promise<Message> {
  const handler = createMcpHandler(factory);
  const text = await (await handler.fetch(request(method, params))).text();
  await handler.close();
  return JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? text) as Message;
}

/** The other end of a connection. */
async function peerOf(transport: Transport) {
  const messages: Message[] = [];
  let wake = () => {};
  transport.onmessage = (message) => {
    messages.push(message as Message);
    wake();
  };
  await transport.start();
  return {
    send: (message: object) => transport.send({ jsonrpc: "2.0", ...message } as JSONRPCMessage),
    async next(test: (message: Message) => boolean): Promise<Message> {
      for (;;) {
        const index = messages.findIndex(test);
        if (index >= 0) return messages.splice(index, 1)[0] as Message;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

const toolsOf = ({ result }: Message) => (result?.["tools"] ?? []) as object[];

/** A 2025-11-25 connection to a server, and the messages on its transport. */
async function legacy(server: McpServer) {
  const [client, transport] = InMemoryTransport.createLinkedPair();
  const sent: Message[] = [];
  const send = transport.send.bind(transport);
  transport.send = (message, options) => {
    sent.push(message as Message);
    return send(message, options);
  };
  await server.connect(transport);
  const peer = await peerOf(client);
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
  await peer.send({ id: 0, method: "initialize", params });
  await peer.next(({ id }) => id === 0);
  await peer.send({ method: "notifications/initialized" });
  const ask = async (method: string, asked: object): Promise<Message> => {
    await peer.send({ id: 1, method, params: asked });
    return peer.next(({ id }) => id === 1);
  };
  return { transport, sent, ask, peer };
}

test("wrapToolCalls: McpServer passes its handler of tools/call to the instance's setRequestHandler", async () => {
  const server = newServer();
  const seen: ServerContext[] = [];
  const registered: string[] = [];
  const register = server.server.setRequestHandler.bind(server.server) as (...all: unknown[]) => void;
  server.server.setRequestHandler = ((method: string, handler: unknown, ...rest: unknown[]) => {
    registered.push(method);
    if (method !== "tools/call") return register(method, handler, ...rest);
    expect(typeof handler, moved("wrapToolCalls", "the handler is not the second argument")).toBe("function");
    return register(method, async (asked: unknown, ctx: ServerContext) => {
      seen.push(ctx);
      return (handler as (...all: unknown[]) => unknown)(asked, ctx);
    });
  }) as typeof server.server.setRequestHandler;
  expect(
    () => server.server.assertCanSetRequestHandler("tools/call"),
    moved("assertNoTools", "a new server handles tools/call already"),
  ).not.toThrow();
  server.registerTool("work", {}, async (ctx) => {
    seen.push(ctx);
    return { content: [] };
  });
  const why = moved("wrapToolCalls", "the first tool does not register tools/call through server.setRequestHandler");
  expect(registered, why).toContain("tools/call");
  expect(
    () => server.server.assertCanSetRequestHandler("tools/call"),
    moved("assertNoTools", "a registered handler is not seen"),
  ).toThrow();
  const { ask } = await legacy(server);
  await ask("tools/call", { name: "work" });
  expect(seen[1], moved("wrapToolCalls", "the tool's callback gets another ctx than the handler")).toBe(seen[0]);
  await server.close();
});

test("assertNoTools: a server that was made with capabilities.tools can be made to register its handlers again", async () => {
  const options = { capabilities: { tools: {} } };
  const server = new McpServer({ name: "seams-test", version: "1.0.0" }, options);
  const state = server as unknown as { _registeredTools?: object; _toolHandlersInitialized?: boolean };
  const why = moved("assertNoTools", "McpServer keeps its state of tools elsewhere");
  expect(state, why).toMatchObject({ _registeredTools: {}, _toolHandlersInitialized: true });
  server.server.removeRequestHandler("tools/call");
  server.server.removeRequestHandler("tools/list");
  state._toolHandlersInitialized = false;
  server.registerTool("work", {}, async () => ({ content: [] }));
  const again = moved("assertNoTools", "the first tool does not register the handlers again");
  const { ask } = await legacy(server);
  expect(toolsOf(await ask("tools/list", {})), again).toHaveLength(1);
  expect((await ask("tools/call", { name: "work" })).result, again).toEqual({ content: [] });
  await server.close();
});

test("declareTaskSupport: tools/list shows execution under 2025-11-25 alone", async () => {
  const factory = () => {
    const server = newServer();
    server.registerTool("work", {}, async () => ({ content: [] })).execution = { taskSupport: "required" };
    return server;
  };
  const server = factory();
  const shown = await (await legacy(server)).ask("tools/list", {});
  await server.close();
  const [tool] = toolsOf(shown);
  const hidden = moved("declareTaskSupport", "2025-11-25 does not show RegisteredTool.execution");
  expect(tool, hidden).toMatchObject({ execution: { taskSupport: "required" } });
  const [same] = toolsOf(await modern(factory, "tools/list", {}));
  expect(same, moved("declareTaskSupport", "2026-07-28 shows RegisteredTool.execution")).not.toHaveProperty(
    "execution",
  );
});

test("tapConnections: all messages pass transport.send, onmessage and onclose", async () => {
  const server = newServer();
  let connected: Transport | undefined;
  const connect = server.server.connect.bind(server.server);
  server.server.connect = async (transport) => {
    connected = transport;
    await connect(transport);
    const why = moved("tapConnections", "connect resolves before it has set the transport's callbacks");
    expect(transport.onmessage, why).toBeTypeOf("function");
    expect(transport.onclose, why).toBeTypeOf("function");
  };
  server.registerTool("work", {}, async () => ({ content: [] }));
  const { transport, sent, ask } = await legacy(server);
  expect(connected, moved("tapConnections", "McpServer.connect does not call server.connect")).toBe(transport);
  const { onmessage, onclose } = transport;
  const received: JSONRPCMessage[] = [];
  let closed = false;
  transport.onmessage = (message, extra) => {
    received.push(message);
    onmessage?.(message, extra);
  };
  transport.onclose = () => {
    closed = true;
    onclose?.();
  };
  await ask("tools/call", { name: "work" });
  expect(received, moved("tapConnections", "messages do not reach a replaced onmessage")).toHaveLength(1);
  const answers = sent.filter(({ id }) => id === 1);
  expect(answers, moved("tapConnections", "an answer did not pass transport.send")).toHaveLength(1);
  await server.close();
  expect(closed, moved("tapConnections", "the end does not reach a replaced onclose")).toBe(true);
});

test.each(["createMcpHandler", "serveStdio"])("tapConnections: %s connects through server.connect", async (how) => {
  const connected: string[] = [];
  const factory = () => {
    const server = newServer();
    const connect = server.server.connect.bind(server.server);
    server.server.connect = (transport) => {
      connected.push(how);
      return connect(transport);
    };
    server.registerTool("work", {}, async () => ({ content: [] }));
    return server;
  };
  if (how === "createMcpHandler") await modern(factory, "tools/call", { name: "work", arguments: {} });
  else {
    const [client, transport] = InMemoryTransport.createLinkedPair();
    const handle = serveStdio(factory, { transport });
    const peer = await peerOf(client);
    await peer.send({ id: 1, method: "tools/call", params: { name: "work", arguments: {}, _meta } });
    await peer.next(({ id }) => id === 1);
    await handle.close();
  }
  expect(connected, moved("tapConnections", `${how} connects a server by another way`)).toContain(how);
});

test("withoutContentOfTasks: a task passes as a result with content", async () => {
  const task = { taskId: "1", status: "working" };
  const factory = (result: object) => () => {
    const server = newServer();
    const register = server.server.setRequestHandler.bind(server.server) as (...all: unknown[]) => void;
    server.server.setRequestHandler = ((method: string, handler: unknown, ...rest: unknown[]) =>
      register(
        method,
        method === "tools/call" ? async () => result as CallToolResult : handler,
        ...rest,
      )) as typeof server.server.setRequestHandler;
    server.registerTool("work", {}, async () => ({ content: [] }));
    return server;
  };
  const call = { name: "work", arguments: {} };
  const now = await modern(factory({ resultType: "task", ...task, content: [] }), "tools/call", call);
  expect(now.result, moved("withoutContentOfTasks", "a task is no result under 2026-07-28")).toMatchObject({
    resultType: "task",
    ...task,
  });
  const server = factory({ task, content: [] })();
  const then = await (await legacy(server)).ask("tools/call", call);
  expect(then.result, moved("withoutContentOfTasks", "a task is no result under 2025-11-25")).toMatchObject({ task });
  await server.close();
});

test("withoutMalformedAnswers: inputResponses are moved to ctx.mcpReq for any method", async () => {
  const seen: unknown[] = [];
  const schema = {
    "~standard": { version: 1 as const, vendor: "test", validate: (value: unknown) => ({ value: value as object }) },
  };
  const factory = () => {
    const server = newServer();
    server.server.setRequestHandler("tasks/update", { params: schema }, (params, { mcpReq }) => {
      seen.push([
        Object.hasOwn(params as object, "inputResponses"),
        mcpReq.inputResponses,
        mcpReq.droppedInputResponseKeys,
      ]);
      return {};
    });
    return server;
  };
  const answers = { name: { action: "accept" } };
  await modern(factory, "tasks/update", { taskId: "1", inputResponses: { ...answers, other: 7 } });
  expect(seen, moved("withoutMalformedAnswers", "inputResponses are not in ctx.mcpReq")).toEqual([
    [false, answers, ["other"]],
  ]);
});

test("OuterTransport: serveStdio sets the callbacks of its transport before start", async () => {
  const [client, inner] = InMemoryTransport.createLinkedPair();
  let ready: unknown;
  const used = new Set<string | symbol>();
  const transport = new Proxy(inner, {
    get(target, property) {
      used.add(property);
      if (property === "start") {
        return async () => {
          ready = [typeof inner.onmessage, typeof inner.onclose];
          await target.start();
        };
      }
      const value: unknown = Reflect.get(target, property);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const handle = serveStdio(newServer, { transport });
  const peer = await peerOf(client);
  await peer.send({ id: 1, method: "tools/list", params: { _meta } });
  await peer.next(({ id }) => id === 1);
  await handle.close();
  const early = moved("OuterTransport", "serveStdio starts the transport before it listens");
  expect(ready, early).toEqual(["function", "function"]);
  const known = ["start", "send", "close", "onmessage", "onclose", "onerror", "sessionId", "setProtocolVersion"];
  const more = [...used].filter((property) => typeof property === "string" && !known.includes(property));
  expect(more, moved("OuterTransport", "serveStdio uses members that OuterTransport does not pass on")).toEqual([]);
});

/** A server that can announce changes of its tools. */
function withTools(): McpServer {
  const server = newServer();
  server.registerTool("work", {}, async () => ({ content: [] }));
  return server;
}

const LISTEN = { notifications: { taskIds: ["1"], toolsListChanged: true } };

test("eventsOf, isAcknowledgement: a subscription over HTTP begins with its acknowledgement", async () => {
  const handler = createMcpHandler(withTools);
  const response = await handler.fetch(request("subscriptions/listen", LISTEN, "a"));
  const type = response.headers.get("content-type");
  expect(type, moved("isEventStream", "no event stream")).toMatch(/^text\/event-stream/);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes("\n\n")) text += decoder.decode((await reader.read()).value, { stream: true });
  const shape = moved("eventsOf", "an event is not two lines, event and data, with a blank line after them");
  expect(text, shape).toMatch(/^event: message\ndata: [^\n]*\n\n/);
  const first = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? "null");
  expect(first, moved("isAcknowledgement", "another message comes first, or without what is honoured")).toMatchObject({
    method: "notifications/subscriptions/acknowledged",
    params: { notifications: { toolsListChanged: true }, _meta: { [SUBSCRIPTION]: "a" } },
  });
  expect(
    first.params.notifications,
    "The SDK honours taskIds now: the extension may not need to rewrite its subscriptions",
  ).not.toHaveProperty("taskIds");
  await handler.close();
  let rest = text.slice(text.indexOf("\n\n") + 2);
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read())
    rest += decoder.decode(value, { stream: true });
  const farewell = JSON.parse(/^data: (.*)$/m.exec(rest)?.[1] ?? "null");
  expect(farewell, moved("farewellTo", "a subscription ends in another way")).toMatchObject({
    jsonrpc: "2.0",
    id: "a",
    result: { resultType: "complete", _meta: { [SUBSCRIPTION]: "a" } },
  });
});

test("honorsOthers: a subscription to nothing that the SDK knows ends at once over HTTP", async () => {
  const handler = createMcpHandler(withTools);
  const response = await handler.fetch(request("subscriptions/listen", { notifications: { taskIds: ["1"] } }, "a"));
  const text = await response.text();
  const messages = [...text.matchAll(/^data: (.*)$/gm)].map(([, data = ""]) => JSON.parse(data) as Message);
  await handler.close();
  expect(messages, moved("honorsOthers", "the stream is not acknowledged and ended")).toMatchObject([
    { method: "notifications/subscriptions/acknowledged", params: { notifications: {} } },
    { id: "a", result: { resultType: "complete" } },
  ]);
});

test("cancellationOf: notifications/cancelled ends a subscription on stdio", async () => {
  const [client, transport] = InMemoryTransport.createLinkedPair();
  const handle = serveStdio(withTools, { transport, maxSubscriptions: 1 });
  const peer = await peerOf(client);
  const listen = async (id: string) => {
    await peer.send({ id, method: "subscriptions/listen", params: { ...LISTEN, _meta } });
    const { method, error } = await peer.next(
      ({ id: of, params }) => of === id || (params?._meta as { [SUBSCRIPTION]?: unknown })?.[SUBSCRIPTION] === id,
    );
    return method ?? error?.code;
  };
  const acknowledged = "notifications/subscriptions/acknowledged";
  expect(await listen("a"), moved("isAcknowledgement", "no acknowledgement on stdio")).toBe(acknowledged);
  expect(await listen("b"), moved("UNLIMITED", "maxSubscriptions does not limit")).toBeTypeOf("number");
  await peer.send({ method: "notifications/cancelled", params: { requestId: "a", _meta } });
  expect(await listen("c"), moved("cancellationOf", "a cancelled subscription is not forgotten")).toBe(acknowledged);
  await handle.close();
});

test("UNLIMITED: createMcpHandler takes Infinity for maxSubscriptions", async () => {
  for (const [maxSubscriptions, type] of [
    [Number.POSITIVE_INFINITY, /^text\/event-stream/],
    [0, /^application\/json/],
  ] as const) {
    const handler = createMcpHandler(withTools, { maxSubscriptions });
    const response = await handler.fetch(request("subscriptions/listen", LISTEN));
    expect(response.headers.get("content-type"), moved("UNLIMITED", `${maxSubscriptions} means otherwise`)).toMatch(
      type,
    );
    await response.body?.cancel();
    await handler.close();
  }
});

test("isServable: the SDK does not serve a server of another copy", async () => {
  const { McpServer: Other } = await import(new URL(otherCopy()).href);
  const why = moved("isServable", "both copies are one: the check and its message can go");
  expect(new Other({ name: "other", version: "1.0.0" }) instanceof McpServer, why).toBe(false);
});

/** The path of the CommonJS copy, which differs from the imported one. */
function otherCopy(): string {
  return import.meta.resolve("@modelcontextprotocol/server").replace(/index\.mjs$/, "index.cjs");
}
