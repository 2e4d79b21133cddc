/** For runtimes that take a `fetch`, such as Deno, Bun and Cloudflare Workers. */
import {
  hostHeaderValidationResponse,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  originValidationResponse,
  requireBearerAuth,
} from "@modelcontextprotocol/server";
import { handler, verifier } from "./studio.ts";

const gate = requireBearerAuth({ verifier });

export default {
  async fetch(request: Request): Promise<Response> {
    const refusal =
      hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
      originValidationResponse(request, localhostAllowedOrigins());
    if (refusal) return refusal;
    const authInfo = await gate(request);
    if (authInfo instanceof Response) return authInfo;
    return handler.fetch(request, { authInfo });
  },
};
