/** For Express: `app.listen(3000, "127.0.0.1")`. */
import { createMcpExpressApp, requireBearerAuth } from "@modelcontextprotocol/express";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { handler, verifier } from "./studio.ts";

export const app = createMcpExpressApp();
const handle = toNodeHandler(handler);

// `requireBearerAuth` sets `req.auth`, which the adapter passes on; the app has parsed the body.
app.all("/mcp", requireBearerAuth({ verifier }), (req, res) => handle(req, res, req.body));
