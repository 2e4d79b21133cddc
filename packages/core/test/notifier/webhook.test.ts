import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type DeliveredEvent, DeliveryError, type WebhookOptions, webhook } from "@mcp-task-store/core";
import { Webhook } from "standardwebhooks";
import { afterEach, expect, test } from "vitest";

const SECRET = `whsec_${Buffer.from("a key of at least 24 bytes").toString("base64")}`;
const LATER = `whsec_${Buffer.from("another key of 24 bytes or more").toString("base64")}`;
const EVENT: DeliveredEvent = {
  id: "0b5cd0f2",
  kind: "end",
  at: "2026-11-27T07:18:09.018Z",
  task: { taskId: "t", name: "grind", status: "completed", statusMessage: "fiñe ✓", revision: 4 },
  attempt: 2,
};
/** The receivers of these tests are on this machine. */
const HERE = { secret: SECRET, allowPrivate: true, allowHttp: true } as const;

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function receiver(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function deliver(options: Partial<WebhookOptions> & { url: string }, signal = new AbortController().signal) {
  await webhook({ ...HERE, ...options })(EVENT, { signal });
}

async function failure(delivering: Promise<unknown>): Promise<DeliveryError> {
  const error = await delivering.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DeliveryError);
  return error as DeliveryError;
}

test("posts the event as JSON, with a signature that the library of Standard Webhooks verifies", async () => {
  const got = Promise.withResolvers<{ body: string; request: IncomingMessage }>();
  const url = await receiver(async (request, response) => {
    got.resolve({ body: await bodyOf(request), request });
    response.writeHead(204).end();
  });
  await deliver({ url: `${url}/hook?of=tasks`, headers: { authorization: "Bearer x" } });
  const { body, request } = await got.promise;
  expect([request.method, request.url]).toEqual(["POST", "/hook?of=tasks"]);
  expect(request.headers).toMatchObject({ "content-type": "application/json", authorization: "Bearer x" });
  expect(request.headers["webhook-id"]).toBe(EVENT.id);
  const headers = request.headers as Record<string, string>;
  expect(new Webhook(SECRET).verify(body, headers)).toEqual({
    type: "task.end",
    timestamp: EVENT.at,
    data: EVENT.task,
  });
  expect(() => new Webhook(LATER).verify(body, headers)).toThrow();
  expect(() => new Webhook(SECRET).verify(`${body} `, headers)).toThrow();
});

test("signs with each of several secrets", async () => {
  const got = Promise.withResolvers<[body: string, headers: Record<string, string>]>();
  const url = await receiver(async (request, response) => {
    got.resolve([await bodyOf(request), request.headers as Record<string, string>]);
    response.end();
  });
  await deliver({ url, secret: [SECRET, LATER] });
  const [body, headers] = await got.promise;
  for (const secret of [SECRET, LATER]) expect(new Webhook(secret).verify(body, headers)).toBeTruthy();
});

test.each([
  [{ url: "http://public.example" }, /https:/],
  [{ url: "ftp://public.example", allowHttp: true }, /https:/],
  [{ url: "public.example" }, /must be a URL/],
  [{ secret: "whsec_short" }, /secret must be/],
  [{ secret: SECRET.slice(6) }, /secret must be/],
  [{ secret: [] }, /secret must be/],
  [{ headers: { a: 1 } }, /headers must be/],
  [{ urll: "x" }, /did you mean "url"/],
])("refuses %j at once, and repeats no value", (given, message) => {
  const options = { url: "https://public.example", secret: SECRET, ...given } as WebhookOptions;
  expect(() => webhook(options)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  expect(() => webhook(options)).toThrow(message);
  expect(() => webhook(options)).not.toThrow(/whsec_short|public\.example/);
});

test.each([
  "127.0.0.1",
  "localhost",
  "2130706433",
  "0x7f.1",
  "[::1]",
  "[::ffff:127.0.0.1]",
  "0.0.0.0",
  "10.1.2.3",
  "100.64.0.1",
  "169.254.169.254",
  "172.31.255.255",
  "192.168.1.1",
  "168.63.129.16",
  "[fe80::1]",
  "[fd00:ec2::254]",
  "[64:ff9b::a9fe:a9fe]",
  "[2002:7f00:1::]",
  "224.0.0.1",
  "255.255.255.255",
])("sends nothing to %s unless private addresses are allowed", async (host) => {
  let requests = 0;
  const url = await receiver((_, response) => {
    requests += 1;
    response.end();
  });
  const { port } = new URL(url);
  const error = await failure(deliver({ url: `http://${host}:${port}`, allowPrivate: false }));
  expect(error.message).toMatch(/not public/);
  expect(requests).toBe(0);
});

test.each([301, 400, 404, 410, 500, 503])("status %i is a failure, and a redirect is not followed", async (status) => {
  const paths: (string | undefined)[] = [];
  const url = await receiver((request, response) => {
    paths.push(request.url);
    response.writeHead(status, { location: "/elsewhere" }).end("no");
  });
  const error = await failure(deliver({ url: `${url}/first` }));
  expect(error.message).toBe(`The webhook's receiver answered with status ${status}`);
  expect(error.retryAfterMs).toBeUndefined();
  expect(paths).toEqual(["/first"]);
});

test("passes on for how long the receiver asks to wait", async () => {
  let header = "120";
  const url = await receiver((_, response) => void response.writeHead(429, { "retry-after": header }).end());
  expect((await failure(deliver({ url }))).retryAfterMs).toBe(120_000);
  header = new Date(Date.now() + 3_600_000).toUTCString();
  const { retryAfterMs = 0 } = await failure(deliver({ url }));
  expect(retryAfterMs).toBeGreaterThan(3_000_000);
  expect(retryAfterMs).toBeLessThanOrEqual(3_600_000);
  header = "999999999";
  expect((await failure(deliver({ url }))).retryAfterMs).toBe(86_400_000);
  header = "soon";
  expect((await failure(deliver({ url }))).retryAfterMs).toBeUndefined();
});

test("ends a request that gets no answer, by its own time or by the notifier's", async () => {
  const closed: Promise<unknown>[] = [];
  const url = await receiver((request) => {
    // An aborted request has an error as well.
    request.on("error", () => undefined);
    closed.push(new Promise((resolve) => request.on("close", resolve)));
  });
  expect((await failure(deliver({ url, timeoutMs: 20 }))).message).toMatch(/did not answer in time/);
  const ending = new AbortController();
  const arrived = once(servers[0] as Server, "request").then(() => ending.abort());
  expect((await failure(deliver({ url }, ending.signal))).message).toMatch(/did not answer in time/);
  await arrived;
  await Promise.all(closed);
  // The first request may have ended before it arrived.
  expect(closed.length).toBeGreaterThanOrEqual(1);
});

test("an answer that never ends counts by its status, and its connection is closed", async () => {
  const closed = Promise.withResolvers<void>();
  const url = await receiver((_, response) => {
    response.writeHead(200);
    const more = () => void (response.destroyed || response.write(Buffer.alloc(16_384), more));
    more();
    response.on("close", closed.resolve);
  });
  await deliver({ url });
  await closed.promise;
});

test("errors have neither address nor secret in their message", async () => {
  const url = await receiver((_, response) => response.destroy());
  const { port } = new URL(url);
  for (const address of [`http://user:pass@127.0.0.1:${port}/token`, "http://no-such-host.invalid/token"]) {
    const { message } = await failure(deliver({ url: address }));
    expect(message).toMatch(/could not be reached \(E[A-Z_]+\)/);
    expect(message).not.toMatch(/127\.0|user|pass|token|invalid|whsec/);
  }
});
