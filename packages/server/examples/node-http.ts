/** For `node:http`: `http.listen(3000, "127.0.0.1")`. */
import { createServer } from "node:http";
import {
  localhostHostValidation,
  localhostOriginValidation,
  type NodeIncomingMessageLike,
  toNodeHandler,
} from "@modelcontextprotocol/node";
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
  // They have answered what they refuse.
  if (!validateHost(request, response) || !validateOrigin(request, response)) return;
  // A cast for `exactOptionalPropertyTypes` alone.
  void handle(request as NodeIncomingMessageLike, response);
});
