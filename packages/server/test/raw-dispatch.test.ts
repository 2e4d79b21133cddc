import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { rawDispatch } from "@mcp-task-store/server/client";
import { afterEach, beforeEach, expect, test } from "vitest";

// `rawDispatch` with each kind of answer, over the network.

/** The server's answer to the request with this id. */
let answer: (id: string) => { status?: number; type: string; body: string };
let http: Server;
let url: string;

beforeEach(async () => {
  http = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { status = 200, type, body: said } = answer(JSON.parse(body).id);
    response.writeHead(status, { "content-type": type }).end(said);
  });
  await once(http.listen(0, "127.0.0.1"), "listening");
  const address = http.address();
  if (address === null || typeof address === "string") throw new Error("The server listens on no port");
  url = `http://127.0.0.1:${address.port}/mcp`;
});
afterEach(async () => {
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
});

const ask = () => rawDispatch({ url })({ method: "tools/call", params: { name: "render" } });
const event = (message: object) => `event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`;
const progress = event({ method: "notifications/progress", params: { progress: 1 } });
const error = { code: -32_602, message: "Task not found" };

test("the message with the request's id is the result of an event stream", async () => {
  answer = (id) => ({
    type: "text/event-stream; charset=utf-8",
    body: `: keepalive\n\n${progress}${event({ id: "other", result: { of: "other" } })}${event({ id, result: { of: "us" } })}`,
  });
  expect(await ask()).toEqual({ kind: "result", result: { of: "us" } });
});

test("an error in an event stream is the answer", async () => {
  answer = (id) => ({ type: "text/event-stream", body: `${progress}data:${JSON.stringify({ id, error })}\n\n` });
  expect(await ask()).toEqual({ kind: "error", error });
});

test("an event stream without the answer is refused", async () => {
  answer = () => ({ type: "text/event-stream", body: `${progress}data: no JSON\n\n` });
  await expect(ask()).rejects.toThrow("The server answered 200 without a JSON-RPC response");
});

test.each([
  ["text", "text/plain", "Bad gateway"],
  ["nothing", "text/plain", ""],
  ["a page", "text/html", "<html></html>"],
  ["other JSON", "application/json", JSON.stringify({ error_description: "No token" })],
  ["null", "application/json", "null"],
])("an HTTP error with %s is refused, and the error has its status", async (_, type, body) => {
  answer = () => ({ status: 502, type, body });
  await expect(ask()).rejects.toThrow("The server answered 502 without a JSON-RPC response");
});

test.each([400, 404, 500])(
  "a JSON-RPC error is the answer under HTTP status %s, even without an id",
  async (status) => {
    answer = () => ({ status, type: "application/json", body: JSON.stringify({ jsonrpc: "2.0", id: null, error }) });
    expect(await ask()).toEqual({ kind: "error", error });
  },
);

test("an answer to another request is refused", async () => {
  answer = () => ({ type: "application/json", body: JSON.stringify({ id: "other", result: {} }) });
  await expect(ask()).rejects.toThrow("without a JSON-RPC response");
});
