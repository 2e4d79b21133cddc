import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TaskStore } from "@mcp-task-store/core";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { SSEServerTransport } from "@modelcontextprotocol/sdk/server/sse.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { Pipe, Pipes } from "./pipe.ts";
import { type Caller, type Expects, type Message, OWNER, outgoing, transcript, type Wire } from "./wire.ts";

/** The user of the request. The store's `owner` option reads it. */
const currentUser = new AsyncLocalStorage<string | undefined>();

/** Options of a store whose owners are users. */
export const BY_USER = { owner: () => currentUser.getStore(), isolation: "strict" } as const;

function ownerOf({ anonymous, user }: Caller): string | undefined {
  return anonymous ? undefined : user;
}

export function newServer(store: TaskStore): McpServer {
  const server = new McpServer(
    { name: "isolation", version: "1.0.0" },
    {
      capabilities: { tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } },
      taskStore: store,
      taskMessageQueue: store.messages,
    },
  );
  server.experimental.tasks.registerToolTask(
    "work",
    { inputSchema: {} },
    {
      createTask: async (_, extra) => ({ task: await extra.taskStore.createTask({ ttl: 600_000 }) }),
      getTask: (_, extra) => extra.taskStore.getTask(extra.taskId),
      getTaskResult: async (_, extra) => ({ content: [], ...(await extra.taskStore.getTaskResult(extra.taskId)) }),
    },
  );
  return server;
}

const JSON_HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const PING = { method: "ping" } as const;

interface Listening extends AsyncDisposable {
  readonly url: string;
}

async function listen(answer: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<Listening> {
  const http = createServer((request, response) => {
    const user = request.headers["x-user"];
    const owner = typeof user === "string" ? (JSON.parse(user) as string) : undefined;
    currentUser.run(owner, () => void answer(request, response));
  });
  await once(http.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

function headersOf(caller: Caller): Record<string, string> {
  const owner = ownerOf(caller);
  if (owner === undefined) return JSON_HEADERS;
  // A header holds only a part of Unicode.
  const escaped = JSON.stringify(owner).replaceAll(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return { ...JSON_HEADERS, "x-user": escaped };
}

/** Streamable HTTP, with sessions or without. */
export async function streamable(store: TaskStore, { sessions }: { sessions: boolean }): Promise<Wire> {
  const transports = new Map<string, StreamableHTTPServerTransport>();
  const listening = await listen(async (request, response) => {
    const sessionId = request.headers["mcp-session-id"];
    let transport = typeof sessionId === "string" ? transports.get(sessionId) : undefined;
    if (!transport) {
      const made = new StreamableHTTPServerTransport(
        sessions ? { sessionIdGenerator: randomUUID, onsessioninitialized: (id) => void transports.set(id, made) } : {},
      );
      // The SDK's own types disagree under exactOptionalPropertyTypes.
      await newServer(store).connect(made as Transport);
      transport = made;
    }
    await transport.handleRequest(request, response);
  });
  const sessionIds = new Map<string, Promise<string>>();
  const begin = async (caller: Caller) => {
    const clientInfo = { name: "isolation", version: "1.0.0" };
    const { body } = outgoing({
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo },
    });
    const init = { method: "POST", headers: headersOf(caller), body: JSON.stringify(body) };
    const response = await fetch(listening.url, init);
    await response.text();
    return response.headers.get("mcp-session-id") as string;
  };
  const sessionOf = (caller: Caller) => {
    const whose = caller.intrudes ? OWNER : caller;
    const known = sessionIds.get(whose.name) ?? begin(whose);
    sessionIds.set(whose.name, known);
    return known;
  };
  const post = async (caller: Caller, message: Message, expects: Expects): Promise<string> => {
    const { id, body } = outgoing(message);
    const leaving = new AbortController();
    const session: Record<string, string> = sessions ? { "mcp-session-id": await sessionOf(caller) } : {};
    const headers = { ...headersOf(caller), "mcp-protocol-version": "2025-11-25", ...session };
    const init = { method: "POST", headers, body: JSON.stringify(body), signal: leaving.signal };
    const response = await fetch(listening.url, init);
    if (expects === "answer" || message.method?.startsWith("notifications/"))
      return transcript(response, await response.text()).replaceAll(id, "REQUEST");
    await post(caller, PING, "answer");
    leaving.abort();
    return transcript(response, "silence");
  };
  return {
    generation: "2025-11-25",
    exchange: post,
    [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose](),
  };
}

/** The transport before Streamable HTTP: answers come on a stream of the session. */
export async function sse(store: TaskStore): Promise<Wire> {
  const transports = new Map<string, SSEServerTransport>();
  const listening = await listen(async (request, response) => {
    if (request.method === "GET") {
      const transport = new SSEServerTransport("/messages", response);
      transports.set(transport.sessionId, transport);
      await newServer(store).connect(transport as Transport);
      return;
    }
    const sessionId = new URL(request.url ?? "", "http://localhost").searchParams.get("sessionId") ?? "";
    await transports.get(sessionId)?.handlePostMessage(request, response);
  });
  const pipes = new Pipes(async (caller) => {
    const pipe = new Pipe(new SseClient(listening.url, headersOf(caller)));
    await pipe.start();
    await pipe.initialize();
    return pipe;
  });
  return {
    generation: "2025-11-25",
    exchange: async (caller, message, expects) =>
      (await pipes.of(caller.intrudes ? OWNER : caller)).exchange(message, expects, PING),
    async [Symbol.asyncDispose]() {
      await pipes.close();
      await listening[Symbol.asyncDispose]();
    },
  };
}

/** A client that shows each message as it came. */
class SseClient {
  onmessage?: ((message: never) => void) | undefined;
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #leaving = new AbortController();
  #endpoint = "";

  constructor(url: string, headers: Record<string, string>) {
    this.#url = url;
    this.#headers = headers;
  }

  async start(): Promise<void> {
    const headers = { ...this.#headers, accept: "text/event-stream" };
    const response = await fetch(this.#url, { headers, signal: this.#leaving.signal });
    const opened = Promise.withResolvers<void>();
    void this.#read(response.body as ReadableStream<Uint8Array>, opened.resolve).catch(() => undefined);
    await opened.promise;
  }

  async send(message: never): Promise<void> {
    const init = { method: "POST", headers: this.#headers, body: JSON.stringify(message) };
    await (await fetch(this.#url + this.#endpoint, init)).text();
  }

  async close(): Promise<void> {
    this.#leaving.abort();
  }

  async #read(body: ReadableStream<Uint8Array>, opened: () => void): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of body) {
      const events = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
      rest = events.pop() ?? "";
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1] ?? "";
        if (event.startsWith("event: endpoint")) {
          this.#endpoint = data;
          opened();
        } else if (data !== "") this.onmessage?.(JSON.parse(data) as never);
      }
    }
  }
}

/** In-memory pipes, each to a server of its own. */
export function inMemory(store: TaskStore): Wire {
  const pipes = new Pipes(async () => {
    const [near, far] = InMemoryTransport.createLinkedPair();
    const pipe = new Pipe(near);
    await newServer(store).connect(far);
    await pipe.start();
    await pipe.initialize();
    return pipe;
  });
  return {
    generation: "2025-11-25",
    exchange: async (caller, message, expects) => {
      const pipe = await pipes.of(caller);
      return currentUser.run(ownerOf(caller), () => pipe.exchange(message, expects, PING));
    },
    [Symbol.asyncDispose]: () => pipes.close(),
  };
}
