/** Streamable HTTP with sessions and users, as a server on SDK 1.x has them. Nothing here is about tasks. */
import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";

/** The user whose request is being answered. */
export const currentUser = new AsyncLocalStorage<string>();

interface Session {
  user: string;
  transport: StreamableHTTPServerTransport;
}

/**
 * A web server with an MCP endpoint.
 * @param userOf The user of an `Authorization` header; `undefined` turns the request away.
 * @param createMcpServer SDK 1.x wants one for each session.
 */
export function createHttpServer(
  userOf: (authorization: string | undefined) => string | undefined,
  createMcpServer: () => McpServer,
): Server {
  const sessions = new Map<string, Session>();

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const user = userOf(request.headers.authorization);
    if (user === undefined) return refuse(response, 401, "Unauthorized");
    const sessionId = request.headers["mcp-session-id"];
    const session = sessionId === undefined ? await open(user) : sessions.get(String(sessionId));
    // A client that is told 404 starts a new session; so it does after a restart, and sees its tasks again.
    if (session?.user !== user) return refuse(response, 404, "Session not found");
    await currentUser.run(user, () => session.transport.handleRequest(request, response));
  }

  async function open(user: string): Promise<Session> {
    const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, session),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    const session = { user, transport };
    await createMcpServer().connect(transport);
    return session;
  }

  return createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      console.error(error);
      refuse(response, 500, "Internal server error");
    });
  });
}

function refuse(response: ServerResponse, status: number, message: string): void {
  if (!response.headersSent) response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", error: { code: -32000, message }, id: null }));
}
