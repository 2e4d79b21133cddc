// Real clients that leave badly. Whatever they had open is free again, and `tasks.open` says so.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { TaskStore } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { type NodeIncomingMessageLike, toNodeHandler } from "@modelcontextprotocol/node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { aborted } from "../fixtures/events.ts";
import { authInfoOf, type Instance, type InstanceOptions, instance, type Register, text } from "./support/instance.ts";
import { ABLE, envelope, type Json, Peer, PLAIN } from "./support/rpc.ts";

const NOTHING = { subscriptions: 0, waits: 0, calls: 0, bodyBytes: 0 };

const register: Register = (tasks, mcp) => {
  tasks.registerFallbackTools(mcp, { maxWaitMs: 600_000 });
  tasks.registerTool(mcp, "work", { runs: "worker" }, () => text("done"));
  tasks.registerTool(mcp, "listen", { task: "never" }, async (_, { signal }) => {
    await aborted(signal);
    return text("stopped");
  });
};

let cleanUp: AsyncDisposableStack;
let store: TaskStore;
let server: Instance;
let http: Server;
let url: URL;

async function serve(options: InstanceOptions = {}): Promise<void> {
  server = cleanUp.use(instance(store, register, { worker: false, getWaitMs: 600_000, ...options }));
  const handle = toNodeHandler(server.handler);
  http = createServer((request, response) => {
    const user = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    const auth = user === undefined ? {} : { auth: authInfoOf(user) };
    void handle(Object.assign(request, auth) as NodeIncomingMessageLike, response);
  });
  await once(http.listen(0, "127.0.0.1"), "listening");
  url = new URL(`http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`);
  cleanUp.defer(async () => {
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  });
}

beforeEach(() => {
  cleanUp = new AsyncDisposableStack();
  store = cleanUp.use(new MemoryTaskStore({ sweepIntervalMs: false }));
});
afterEach(() => cleanUp.disposeAsync());

function peer(user: string): Peer {
  return new Peer(String(url), (request) => {
    request.headers.set("authorization", `Bearer ${user}`);
    return fetch(request);
  });
}

/** What a client sends, and what is then open. */
interface Opening {
  readonly generation: "2026-07-28" | "2025-11-25";
  readonly message: (taskId: string) => { method: string; params: Json };
  readonly open: Partial<typeof NOTHING>;
}

const modern = (method: string, params: Json, capabilities: object = ABLE) => ({
  method,
  params: { _meta: envelope(capabilities), ...params },
});

const OPENINGS: Readonly<Record<string, Opening>> = {
  "a subscription to tasks": {
    generation: "2026-07-28",
    message: (taskId) => modern("subscriptions/listen", { notifications: { taskIds: [taskId] } }),
    open: { subscriptions: 1 },
  },
  "a subscription without tasks": {
    generation: "2026-07-28",
    message: () => modern("subscriptions/listen", { notifications: { toolsListChanged: true } }),
    open: { subscriptions: 1 },
  },
  "tasks/get that waits": {
    generation: "2026-07-28",
    message: (taskId) => modern("tasks/get", { taskId }),
    open: { waits: 1 },
  },
  "tasks/result": {
    generation: "2025-11-25",
    message: (taskId) => ({ method: "tasks/result", params: { taskId } }),
    open: { waits: 1 },
  },
  "a call that a worker answers": {
    generation: "2026-07-28",
    message: () => modern("tools/call", { name: "work", arguments: {} }, PLAIN),
    open: { waits: 1, calls: 1 },
  },
  "a call that is answered at once": {
    generation: "2026-07-28",
    message: () => modern("tools/call", { name: "listen", arguments: {} }, PLAIN),
    open: { calls: 1 },
  },
  "a call of 2025-11-25": {
    generation: "2025-11-25",
    message: () => ({ method: "tools/call", params: { name: "listen", arguments: {} } }),
    open: { calls: 1 },
  },
  "a fallback tool that waits": {
    generation: "2025-11-25",
    message: (taskId) => ({
      method: "tools/call",
      params: { name: "task_result", arguments: { taskId, waitMs: 600_000 } },
    }),
    open: { waits: 1, calls: 1 },
  },
};

/** How a client leaves. */
const LEAVINGS: Readonly<Record<string, (socket: Socket) => void>> = {
  "destroys its socket": (socket) => socket.destroy(),
  "resets the connection": (socket) => socket.resetAndDestroy(),
  "closes its half, and then goes": (socket) => socket.end(() => socket.destroy()),
  "stops reading, and then goes": (socket) => {
    socket.pause();
    socket.destroy();
  },
};

function bytesOf({ generation, message }: Opening, taskId: string, more: string[] = []): string {
  const { method, params } = message(taskId);
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const name = params["taskId"] ?? params["name"];
  return [
    `POST ${url.pathname} HTTP/1.1`,
    `host: ${url.host}`,
    "authorization: Bearer ada",
    "content-type: application/json",
    "accept: application/json, text/event-stream",
    `mcp-protocol-version: ${generation}`,
    ...(generation === "2026-07-28" ? [`mcp-method: ${method}`] : []),
    ...(generation === "2026-07-28" && typeof name === "string" ? [`mcp-name: ${name}`] : []),
    `content-length: ${Buffer.byteLength(body)}`,
    ...more,
    "",
    body,
  ].join("\r\n");
}

/** Resolves when this is open. Counts change in turns of the event loop after a socket's events. */
async function untilOpen(counts: Partial<typeof NOTHING>): Promise<void> {
  const wanted = { ...NOTHING, ...counts, bodyBytes: expect.anything() };
  while (true) {
    const { open } = server.tasks;
    const reached = Object.entries({ ...NOTHING, ...counts }).every(
      ([name, count]) => name === "bodyBytes" || open[name as keyof typeof open] === count,
    );
    if (reached) return expect(open).toEqual(wanted);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function dial(): Promise<Socket> {
  const socket = connect(Number(url.port), "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

describe.each(Object.entries(LEAVINGS))("a client that %s", (_, leave) => {
  test.each(Object.entries(OPENINGS))("frees %s", async (__, opening) => {
    await serve();
    const { taskId } = await peer("ada").start("work");
    expect(server.tasks.open).toEqual(NOTHING);
    const sockets = await Promise.all([dial(), dial(), dial()]);
    for (const socket of sockets) {
      socket.write(bytesOf(opening, taskId));
      socket.resume();
    }
    await untilOpen(Object.fromEntries(Object.entries(opening.open).map(([name, count]) => [name, 3 * count])));
    for (const socket of sockets) leave(socket);
    await untilOpen({});
    expect(server.tasks.open).toEqual(NOTHING);
  });
});

test("a client that leaves in the middle of its request opens nothing", async () => {
  await serve();
  const { taskId } = await peer("ada").start("work");
  for (const opening of Object.values(OPENINGS)) {
    const socket = await dial();
    const bytes = bytesOf(opening, taskId);
    const received = once(http, "request") as Promise<[{ socket: Socket }]>;
    socket.write(bytes.slice(0, -10));
    const [request] = await received;
    // The server's end reports that the request was cut short.
    const closed = new Promise((resolve) => request.socket.once("close", resolve));
    socket.destroy();
    await closed;
    expect(server.tasks.open).toEqual(NOTHING);
  }
});

describe("calls and bodies", () => {
  const FULL = { code: -32000, data: { code: "LIMIT_EXCEEDED" } };
  const call = { name: "listen", arguments: {} };

  test("calls of one owner leave room for another, and there is a limit in all", async () => {
    await serve({ maxCalls: 3, maxCallsPerOwner: 2 });
    const leaving = new AbortController();
    const open = (user: string, old = false) =>
      (old
        ? peer(user).askOld("tools/call", call, leaving.signal)
        : peer(user).ask("tools/call", call, PLAIN, leaving.signal)
      ).catch(() => undefined);
    const pending = [open("ada"), open("ada", true)];
    await untilOpen({ calls: 2 });
    for (const refused of [peer("ada").ask("tools/call", call, PLAIN), peer("ada").askOld("tools/call", call)])
      expect((await refused).error).toMatchObject({ ...FULL, message: expect.stringContaining("This caller") });
    pending.push(open("bob"));
    await untilOpen({ calls: 3 });
    expect((await peer("bob").ask("tools/call", call, PLAIN)).error).toMatchObject({
      ...FULL,
      message: expect.stringContaining("The server"),
    });
    // Other methods have no such limit.
    expect((await peer("ada").askOld("tools/list", {})).error).toBeUndefined();
    leaving.abort();
    await Promise.all(pending);
    await untilOpen({});
  });

  /** A call whose body has this size. */
  const large = (bytes: number, chunked: boolean, user = "ada") => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping", params: { text: "x".repeat(bytes) } });
    const headers: Record<string, string> = {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2025-11-25",
      ...(chunked ? {} : { "content-length": String(body.length) }),
    };
    const request = new Request(url, { method: "POST", headers, body });
    return server.handler.fetch(request, { authInfo: authInfoOf(user) });
  };

  test.each([
    ["of a known length", false],
    ["of an unknown length", true],
  ])("bodies %s have limits, and give their bytes back", async (_, chunked) => {
    await serve({ maxBodyBytes: 9000, maxBodyBytesPerOwner: 5000 });
    const own = await large(6000, chunked);
    expect([own.status, own.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(await own.json()).toMatchObject({ jsonrpc: "2.0", id: null, error: FULL });
    expect(server.tasks.open).toEqual(NOTHING);
    expect((await large(4000, chunked)).status).toBe(200);
    expect(server.tasks.open).toEqual(NOTHING);
  });

  test("bodies of several owners have a limit in all, while their answers have not begun", async () => {
    await serve({ maxBodyBytes: 9000, maxBodyBytesPerOwner: 5000 });
    const leaving = new AbortController();
    const padded = { ...call, arguments: { text: "x".repeat(4000) } };
    const pending = ["ada", "bob"].map((user) =>
      peer(user)
        .ask("tools/call", padded, PLAIN, leaving.signal)
        .catch(() => undefined),
    );
    await untilOpen({ calls: 2 });
    expect(server.tasks.open.bodyBytes).toBeGreaterThan(8000);
    const refused = await large(4000, false, "eve");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    expect((await large(100, false, "eve")).status).toBe(200);
    leaving.abort();
    await Promise.all(pending);
    await untilOpen({});
    expect(server.tasks.open).toEqual(NOTHING);
  });

  test("a caller whom the owner option refuses counts as an anonymous one", async () => {
    await serve({
      owner: () => {
        throw new Error("Who?");
      },
    });
    expect((await peer("ada").askOld("tools/list", {})).error).toBeUndefined();
    expect(server.tasks.open).toEqual(NOTHING);
  });
});
