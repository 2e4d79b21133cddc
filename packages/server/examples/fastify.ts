/** For Fastify: `app.listen({ port: 3000, host: "127.0.0.1" })`. */
import { createMcpFastifyApp } from "@modelcontextprotocol/fastify";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { requireBearerAuth } from "@modelcontextprotocol/server";
import { handler, verifier } from "./studio.ts";

export const app = createMcpFastifyApp();
const gate = requireBearerAuth({ verifier });

const handle = toNodeHandler({
  async fetch(request, options) {
    const authInfo = await gate(request);
    return authInfo instanceof Response ? authInfo : handler.fetch(request, { ...options, authInfo });
  },
});

app.all("/mcp", async (request, reply) => {
  // The handler answers on Node's own response.
  reply.hijack();
  const { method = "GET", url = "/" } = request.raw;
  await handle(Object.assign(request.raw, { method, url }), reply.raw, request.body);
});
