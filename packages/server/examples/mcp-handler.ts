/**
 * For mcp-handler: `export { handler as GET, handler as POST }` in a route of Next.js, or any other
 * place that takes a web `Request`.
 */
import { createMcpHandler, withMcpAuth } from "mcp-handler";
import { register, verifier } from "./studio.ts";

const mcp = createMcpHandler(register, { serverInfo: { name: "studio", version: "1.0.0" } });

export const handler = withMcpAuth(mcp, (_, token) => (token ? verifier.verifyAccessToken(token) : undefined), {
  required: true,
});
