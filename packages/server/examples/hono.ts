/**
 * For Hono: `serve({ fetch: app.fetch, port: 3000 })` of `@hono/node-server`, or what your runtime
 * has.
 */
import { createMcpHonoApp } from "@modelcontextprotocol/hono";
import { requireBearerAuth } from "@modelcontextprotocol/server";
import { handler, verifier } from "./studio.ts";

export const app = createMcpHonoApp();
const gate = requireBearerAuth({ verifier });

app.all("/mcp", async (c) => {
  const authInfo = await gate(c.req.raw);
  return authInfo instanceof Response ? authInfo : handler.fetch(c.req.raw, { authInfo });
});
