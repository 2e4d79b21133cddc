/** For Cloudflare Workers with the Agents SDK (`agents`). */
import { requireBearerAuth } from "@modelcontextprotocol/server";
import { createMcpHandler } from "agents/mcp/server";
import { createServer, verifier } from "./studio.ts";

const handler = createMcpHandler(createServer);
const gate = requireBearerAuth({ verifier });

export default {
  async fetch(request: Request): Promise<Response> {
    const authInfo = await gate(request);
    return authInfo instanceof Response ? authInfo : handler.fetch(request, { authInfo });
  },
};
