/**
 * What the servers of this folder serve: one tool, whose tasks are in a SQLite file and belong to
 * the user of the access token.
 */
import { TasksExtension } from "@mcp-task-store/server";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import { McpServer, OAuthError, OAuthErrorCode, type OAuthTokenVerifier } from "@modelcontextprotocol/server";
import { z } from "zod";

const store = new SqliteTaskStore({
  path: process.env["TASKS_DB"] ?? "tasks.db",
  limits: { ttl: { default: 3_600_000 } },
});
export const tasks = new TasksExtension({ store });

/** Registers the tool on a server, also on one that a framework made. */
export function register(server: McpServer): void {
  tasks.registerTool(
    server,
    "render",
    {
      description: "Renders frames, once the user has agreed",
      inputSchema: z.object({ frames: z.number().int().positive() }),
      outputSchema: z.object({ rendered: z.number() }),
      task: "required",
    },
    async ({ frames }, task) => {
      const requestedSchema = { type: "object", properties: {} };
      const { action } = await task.elicit({ mode: "form", message: `Render ${frames} frames?`, requestedSchema });
      const rendered = action === "accept" ? frames : 0;
      return { content: [{ type: "text", text: `${rendered} rendered` }], structuredContent: { rendered } };
    },
  );
}

export function createServer(): McpServer {
  const server = new McpServer({ name: "studio", version: "1.0.0" });
  register(server);
  return server;
}

export const handler = tasks.createMcpHandler(createServer);

/** In place of your authorization server: the token is the user. */
export const verifier: OAuthTokenVerifier = {
  async verifyAccessToken(token) {
    if (!/^[a-z]+$/.test(token)) throw new OAuthError(OAuthErrorCode.InvalidToken, "Unknown token");
    // A task belongs to its client and, as `extra.sub`, its user.
    return { token, clientId: "viewer", scopes: [], expiresAt: Date.now() / 1000 + 60, extra: { sub: token } };
  },
};

/** After the HTTP server was closed. */
export async function close(): Promise<void> {
  await handler.close();
  await tasks.close();
  await store.close();
}
