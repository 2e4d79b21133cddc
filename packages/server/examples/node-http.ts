/** For `node:http`: `http.listen(3000, "127.0.0.1")`. */
import { createServer } from "node:http";
import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from "@modelcontextprotocol/node";
import { requireBearerAuth } from "@modelcontextprotocol/server";
import { handler, verifier } from "./studio.ts";

const gate = requireBearerAuth({ verifier });
const validateHost = localhostHostValidation();
const validateOrigin = localhostOriginValidation();

const handle = toNodeHandler({
  async fetch(request) {
    const authInfo = await gate(request);
    return authInfo instanceof Response ? authInfo : handler.fetch(request, { authInfo });
  },
});

export const http = createServer((request, response) => {
  // A validator that refuses a request has answered it.
  if (!validateHost(request, response) || !validateOrigin(request, response)) return;
  // The adapter's types want both where `exactOptionalPropertyTypes` is set.
  const { method = "GET", url = "/" } = request;
  void handle(Object.assign(request, { method, url }), response);
});
