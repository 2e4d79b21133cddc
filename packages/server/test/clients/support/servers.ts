import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TaskStore } from "@mcp-task-store/core";
import { TasksExtension } from "@mcp-task-store/server";
import { type FetchLikeMcpHandler, type NodeIncomingMessageLike, toNodeHandler } from "@modelcontextprotocol/node";
import {
  type AuthInfo,
  isLegacyRequest,
  type McpHttpHandler,
  type McpServerFactory,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import { factoryOf } from "./tools.ts";

/** One of possibly several servers on a store. */
export interface Instance extends FetchLikeMcpHandler, AsyncDisposable {
  readonly tasks: TasksExtension;
}

/** For clients of 2026-07-28, and for those of 2025-11-25 without sessions. */
export function statelessInstance(store: TaskStore): Instance {
  const tasks = extensionOn(store);
  const handler = tasks.createMcpHandler(factoryOf(tasks), { onerror: fail });
  return instanceOf(tasks, handler, handler.fetch);
}

/** For clients of 2026-07-28, and for those of 2025-11-25 with sessions. */
export function sessionInstance(store: TaskStore): Instance {
  const tasks = extensionOn(store);
  const factory = factoryOf(tasks);
  const handler = tasks.createMcpHandler(factory, { legacy: "reject", onerror: fail });
  const sessions = new Map<string, Session>();
  const fetch: Instance["fetch"] = async (request, options) => {
    if (!(await isLegacyRequest(request))) return handler.fetch(request, options);
    const sessionId = request.headers.get("mcp-session-id");
    const session = sessionId === null ? await newSession(factory, sessions) : sessions.get(sessionId);
    if (!session) return new Response(null, { status: 404 });
    const { transport, listening } = session;
    // A message sent before the client listens is lost. It starts to listen after its first message
    // with the session id.
    if (request.method === "POST" && session.initialized) await listening.promise;
    session.initialized ||= sessionId !== null;
    const response = await transport.handleRequest(request, options);
    if (request.method === "GET") listening.resolve();
    return response;
  };
  return instanceOf(tasks, handler, fetch, async () => {
    for (const { transport } of sessions.values()) await transport.close();
  });
}

interface Session {
  readonly transport: WebStandardStreamableHTTPServerTransport;
  readonly listening: PromiseWithResolvers<void>;
  initialized: boolean;
}

async function newSession(factory: McpServerFactory, sessions: Map<string, Session>): Promise<Session> {
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, session),
  });
  const session: Session = { transport, listening: Promise.withResolvers(), initialized: false };
  await (await factory({ era: "legacy" })).connect(transport);
  return session;
}

function extensionOn(store: TaskStore): TasksExtension {
  return new TasksExtension({ store, onError: fail });
}

function instanceOf(
  tasks: TasksExtension,
  handler: McpHttpHandler,
  fetch: Instance["fetch"],
  close?: () => Promise<void>,
): Instance {
  return {
    tasks,
    fetch,
    async [Symbol.asyncDispose]() {
      await handler.close();
      await close?.();
      await tasks.close();
    },
  };
}

/** An unhandled rejection fails the run. */
function fail(error: Error): void {
  void Promise.reject(error);
}

export interface Listening extends AsyncDisposable {
  readonly url: string;
}

/**
 * Listens on a free port. Requests go to the instances in turn. `Authorization: Bearer <user>`
 * names the caller.
 */
export async function listen(...instances: FetchLikeMcpHandler[]): Promise<Listening> {
  let turn = 0;
  const front: FetchLikeMcpHandler = {
    fetch(request, options) {
      const instance = instances[turn % instances.length] as FetchLikeMcpHandler;
      turn += 1;
      return instance.fetch(request, options);
    },
  };
  const handle = toNodeHandler(front);
  const http = createServer((request, response) => {
    const user = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    const auth: AuthInfo = { token: "", clientId: "app", scopes: [], extra: { sub: user } };
    // The adapter's types disagree with Node's under exactOptionalPropertyTypes.
    void handle(Object.assign(request, user !== undefined && { auth }) as NodeIncomingMessageLike, response);
  });
  await once(http.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}
