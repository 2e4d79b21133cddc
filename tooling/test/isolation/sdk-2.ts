import { randomUUID } from "node:crypto";
import type { TaskStore } from "@mcp-task-store/core";
import { TasksExtension, type TasksExtensionOptions } from "@mcp-task-store/server";
import {
  type AuthInfo,
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  InMemoryTransport,
  McpServer,
  PROTOCOL_VERSION_META_KEY,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { Pipe, Pipes } from "./pipe.ts";
import { type Caller, type Generation, type Message, OWNER, outgoing, transcript, type Wire } from "./wire.ts";

type Owners = TasksExtensionOptions["owner"];

const META = {
  [PROTOCOL_VERSION_META_KEY]: "2026-07-28",
  [CLIENT_INFO_META_KEY]: { name: "isolation", version: "1.0.0" },
  [CLIENT_CAPABILITIES_META_KEY]: { elicitation: { form: {} }, extensions: { "io.modelcontextprotocol/tasks": {} } },
};

/** How the `owner` option may look. The default is the client and the user. */
export const OWNER_OPTIONS: Readonly<Record<string, Owners>> = {
  "the default owner": undefined,
  "the user as owner": ({ authInfo }) => authInfo?.extra?.["sub"] as string | undefined,
};

export function extensionOn(store: TaskStore, owner: Owners): TasksExtension {
  // The server reports a caller whom it cannot map. Other failures show in the answers.
  return new TasksExtension({ store, worker: false, owner, onError: () => undefined });
}

export function newServer(tasks: TasksExtension): McpServer {
  const server = new McpServer({ name: "isolation", version: "1.0.0" });
  tasks.registerFallbackTools(server);
  tasks.registerTool(server, "work", { runs: "worker", task: "required", ttl: 600_000 });
  const keyed = { inputSchema: z.object({ key: z.string() }), dedupe: ({ key }: { key: string }) => key } as const;
  tasks.registerTool(server, "keyed", { runs: "worker", task: "required", ttl: 600_000, ...keyed });
  return server;
}

function authInfoOf({ anonymous, client = "app", user }: Caller): { authInfo?: AuthInfo } {
  if (anonymous) return {};
  return {
    authInfo: { token: "", clientId: client, scopes: [], ...(user === undefined ? {} : { extra: { sub: user } }) },
  };
}

/** The message as a client of this generation sends it. */
function dressed(message: Message, generation: Generation): Message {
  if (generation === "2025-11-25" || message.method === undefined) return message;
  const { params = {} } = message;
  return { ...message, params: { ...params, _meta: { ...META, ...(params["_meta"] as object | undefined) } } };
}

const JSON_HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream" };
/** An address that is never called. */
const URL = "http://127.0.0.1/mcp";

function headersOf({ method, params }: Message, generation: Generation): Record<string, string> {
  if (generation === "2025-11-25") return { "mcp-protocol-version": generation };
  const name = params?.["taskId"] ?? params?.["name"];
  return {
    "mcp-protocol-version": generation,
    ...(method === undefined ? {} : { "mcp-method": method }),
    ...(typeof name === "string" ? { "mcp-name": name } : {}),
  };
}

/** Streamable HTTP without sessions. */
export function stateless(store: TaskStore, generation: Generation, owner?: Owners): Wire {
  const tasks = extensionOn(store, owner);
  const handler = tasks.createMcpHandler(() => newServer(tasks));
  return {
    generation,
    async exchange(caller, message) {
      const { id, body } = outgoing(dressed(message, generation));
      const headers = { ...JSON_HEADERS, ...headersOf(message, generation) };
      const request = new Request(URL, { method: "POST", headers, body: JSON.stringify(body) });
      const response = await handler.fetch(request, authInfoOf(caller));
      return transcript(response, await response.text()).replaceAll(id, "REQUEST");
    },
    async [Symbol.asyncDispose]() {
      await handler.close();
      await tasks.close();
    },
  };
}

/** Streamable HTTP with sessions, of 2025-11-25. */
export function sessions(store: TaskStore, owner?: Owners): Wire {
  const tasks = extensionOn(store, owner);
  const open = new Map<string, Promise<{ transport: WebStandardStreamableHTTPServerTransport; sessionId: string }>>();
  const begin = async (caller: Caller) => {
    const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: randomUUID });
    await newServer(tasks).connect(transport);
    const { body } = outgoing({
      method: "initialize",
      params: {
        protocolVersion: "2025-11-25",
        capabilities: {},
        clientInfo: { name: "isolation", version: "1.0.0" },
      },
    });
    const request = new Request(URL, { method: "POST", headers: JSON_HEADERS, body: JSON.stringify(body) });
    const response = await transport.handleRequest(request, authInfoOf(caller));
    await response.text();
    return { transport, sessionId: response.headers.get("mcp-session-id") as string };
  };
  const sessionOf = (caller: Caller) => {
    const whose = caller.intrudes ? OWNER : caller;
    const session = open.get(whose.name) ?? begin(whose);
    open.set(whose.name, session);
    return session;
  };
  return {
    generation: "2025-11-25",
    async exchange(caller, message) {
      const { transport, sessionId } = await sessionOf(caller);
      const { id, body } = outgoing(message);
      const headers = { ...JSON_HEADERS, "mcp-protocol-version": "2025-11-25", "mcp-session-id": sessionId };
      const request = new Request(URL, { method: "POST", headers, body: JSON.stringify(body) });
      const response = await transport.handleRequest(request, authInfoOf(caller));
      return transcript(response, await response.text()).replaceAll(id, "REQUEST");
    },
    async [Symbol.asyncDispose]() {
      for (const session of open.values()) await (await session).transport.close();
      await tasks.close();
    },
  };
}

const PROBES = { "2025-11-25": { method: "ping" }, "2026-07-28": { method: "tools/list" } } as const;

/** Exchanges messages of this generation over the pipe of each caller. */
export function exchangeOver(pipes: Pipes, generation: Generation): Wire["exchange"] {
  return async (caller, message, expects) => {
    const probe = dressed(PROBES[generation], generation);
    return (await pipes.of(caller)).exchange(dressed(message, generation), expects, probe);
  };
}

/**
 * In-memory pipes: each caller has a server of its own on the store, because a pipe has one caller.
 */
export function inMemory(store: TaskStore, generation: Generation, by: "connect" | "serveStdio"): Wire {
  const closing: (() => Promise<unknown>)[] = [];
  const pipes = new Pipes(async (caller) => {
    const tasks = extensionOn(store, () => (caller.anonymous ? undefined : caller.user));
    const [near, far] = InMemoryTransport.createLinkedPair();
    const pipe = new Pipe(near);
    if (by === "connect") await newServer(tasks).connect(far);
    else {
      const handle = tasks.serveStdio(() => newServer(tasks), { transport: far });
      closing.push(() => handle.close());
    }
    closing.push(() => tasks.close());
    await pipe.start();
    if (generation === "2025-11-25") await pipe.initialize();
    return pipe;
  });
  return {
    generation,
    exchange: exchangeOver(pipes, generation),
    async [Symbol.asyncDispose]() {
      await pipes.close();
      for (const close of closing) await close();
    },
  };
}
