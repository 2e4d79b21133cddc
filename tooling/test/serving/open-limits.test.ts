import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { type NodeIncomingMessageLike, toNodeHandler } from "@modelcontextprotocol/node";
import { InMemoryTransport, type JSONRPCMessage } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, expect, test } from "vitest";
import { counted } from "./support/counted.ts";
import { authInfoOf, type Instance, instance, type Register, text } from "./support/instance.ts";
import { answerOf, type Json, Peer, PLAIN } from "./support/rpc.ts";
import { Stream } from "./support/stream.ts";

// Open streams and waits have a limit per owner and in all, so one caller leaves room for others.

const FULL = { code: -32000, data: { code: "LIMIT_EXCEEDED" } };
const register: Register = (tasks, mcp) => tasks.registerTool(mcp, "work", { runs: "worker" }, () => text("done"));
const LIMITS = { maxSubscriptions: 3, maxSubscriptionsPerOwner: 2, maxWaits: 3, maxWaitsPerOwner: 2 };

let cleanUp: AsyncDisposableStack;
let store: TaskStore;
let watched: ReturnType<typeof counted>;
let server: Instance;
let url: string;

beforeEach(async () => {
  cleanUp = new AsyncDisposableStack();
  store = cleanUp.use(new MemoryTaskStore({ sweepIntervalMs: false }));
  watched = counted(store);
  server = cleanUp.use(instance(watched.store, register, { worker: false, ...LIMITS }));
  const handle = toNodeHandler(server.handler);
  const http = createServer((request, response) => {
    const user = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    const auth = user === undefined ? {} : { auth: authInfoOf(user) };
    void handle(Object.assign(request, auth) as NodeIncomingMessageLike, response);
  });
  await once(http.listen(0, "127.0.0.1"), "listening");
  cleanUp.defer(async () => {
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  });
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
});
afterEach(() => cleanUp.disposeAsync());

/** A client over the network, anonymous without a user. */
function peer(user?: string): Peer {
  return new Peer(url, (request) => {
    if (user !== undefined) request.headers.set("authorization", `Bearer ${user}`);
    return fetch(request);
  });
}

/** An open stream, or the error that refused it. */
async function listen(of: Peer, notifications: Json) {
  const response = await of.send("subscriptions/listen", { notifications });
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return (await answerOf(response)).error;
  const stream = new Stream(response, 0);
  await stream.next();
  return stream;
}

/** Resolves once the server has room again. */
async function untilRoom(of: Peer, notifications: Json): Promise<void> {
  while (!((await listen(of, notifications)) instanceof Stream));
}

test("one caller's limit of streams leaves room for another caller", async () => {
  const ada = peer("ada");
  const { taskId } = await ada.start("work");
  const [withTasks, plain] = [{ taskIds: [taskId] }, { toolsListChanged: true }];
  const open = [await listen(ada, withTasks), await listen(ada, plain)] as const;
  for (const stream of open) expect(stream).toBeInstanceOf(Stream);
  for (const notifications of [withTasks, plain]) expect(await listen(ada, notifications)).toMatchObject(FULL);

  const bob = peer("bob");
  expect(await listen(bob, plain)).toBeInstanceOf(Stream);
  // Now the server is full.
  expect(await listen(bob, plain)).toMatchObject(FULL);
  expect(await listen(peer("eve"), plain)).toMatchObject(FULL);

  // A slot is free again once its stream has ended, for streams of either kind.
  await (open[0] as Stream).leave();
  await untilRoom(ada, plain);
  await (open[1] as Stream).leave();
  await untilRoom(ada, withTasks);
  expect(await listen(ada, plain)).toMatchObject(FULL);
});

test("a stream's slot is free once the stream has ended or was refused", async () => {
  const ada = peer("ada");
  const { taskId } = await ada.start("work");
  for (let round = 0; round < 3; round += 1) {
    expect((await ada.ask("subscriptions/listen", { notifications: 7 })).error).toMatchObject({ code: -32602 });
    expect(
      (await ada.ask("subscriptions/listen", { notifications: { taskIds: [taskId] } }, PLAIN)).error,
    ).toBeDefined();
    const nothing = await listen(ada, { taskIds: [] });
    expect(await (nothing as Stream).next()).toMatchObject({ result: {} });
  }
  await untilRoom(ada, { taskIds: [taskId] });
});

test("unknown callers count as one caller", async () => {
  for (let count = 0; count < 2; count += 1)
    expect(await listen(peer(), { toolsListChanged: true })).toBeInstanceOf(Stream);
  expect(await listen(peer(), { toolsListChanged: true })).toMatchObject(FULL);
  expect(await listen(peer("ada"), { toolsListChanged: true })).toBeInstanceOf(Stream);
});

test("waits for results have the same limit in either generation", async () => {
  const [ada, bob] = [peer("ada"), peer("bob")];
  const { taskId } = await ada.start("work");
  const leaving = new AbortController();
  const call = { name: "work", arguments: {} };
  const pending = [
    ada.askOld("tasks/result", { taskId }),
    ada.ask("tools/call", call, PLAIN, leaving.signal).catch(() => undefined),
  ];
  await watched.reaches(2);
  expect((await ada.askOld("tasks/result", { taskId })).error).toMatchObject(FULL);
  for (const refused of [ada.ask("tools/call", call, PLAIN), ada.askOld("tools/call", call)])
    expect((await refused).error).toMatchObject(FULL);
  // A refused call makes no task.
  expect((await store.listTasks(undefined, { owner: ANY_OWNER })).tasks).toHaveLength(2);

  const bobs = bob.ask("tools/call", call, PLAIN);
  await watched.reaches(3);
  expect((await bob.ask("tools/call", call, PLAIN)).error).toMatchObject(FULL);

  // A client that leaves cancels the task of its call, and frees its slot.
  leaving.abort();
  await watched.reaches(2);
  const more = ada.askOld("tools/call", call);
  await watched.reaches(3);
  await using elsewhere = instance(store, register, { worker: false });
  elsewhere.newServer();
  elsewhere.tasks.startWorker();
  for (const answer of [pending[0], bobs, more]) expect((await answer)?.result).toMatchObject(text("done"));
  const { tasks } = await store.listTasks(undefined, { owner: ANY_OWNER });
  expect(tasks.map(({ status }) => status).toSorted()).toEqual(["cancelled", "completed", "completed", "completed"]);
  await watched.reaches(0);
});

test("a task beyond the limit of waits is made, but its 2025-11-25 connection gets no notifications", async () => {
  await using limited = instance(store, register, { worker: false, maxWaits: 1 });
  const mcp = limited.newServer();
  const [client, serving] = InMemoryTransport.createLinkedPair();
  await mcp.connect(serving);
  const messages: JSONRPCMessage[] = [];
  let wake = Promise.withResolvers<void>();
  client.onmessage = (message) => {
    messages.push(message);
    wake.resolve();
    wake = Promise.withResolvers();
  };
  await client.start();
  /** The first message that passes the test. */
  const next = async (test: (message: Json) => boolean): Promise<Json> => {
    for (;;) {
      const found = messages.find((message) => test(message as Json));
      if (found) return found as Json;
      await wake.promise;
    }
  };
  let lastId = 0;
  const ask = async (method: string, params: Json): Promise<Json> => {
    lastId += 1;
    const id = lastId;
    await client.send({ jsonrpc: "2.0", id, method, params });
    return (await next((message) => message["id"] === id))["result"] as Json;
  };
  const clientInfo = { name: "open-limits-test", version: "1.0.0" };
  await ask("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo });
  await client.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  const start = async () => {
    const { task } = (await ask("tools/call", { name: "work", arguments: {}, task: {} })) as { task: Json };
    return String(task["taskId"]);
  };
  const told = (taskId: string, status: string) => (message: Json) => {
    const params = message["params"] as Json | undefined;
    const isStatus = message["method"] === "notifications/tasks/status";
    return isStatus && params?.["taskId"] === taskId && params["status"] === status;
  };
  const [followed, beyond] = [await start(), await start()];
  await store.cancelTask(beyond, { owner: ANY_OWNER });
  await store.cancelTask(followed, { owner: ANY_OWNER });
  await next(told(followed, "cancelled"));
  // The client must poll.
  expect(await ask("tasks/get", { taskId: beyond })).toMatchObject({ status: "cancelled" });
  // The end of the first wait freed its slot.
  const third = await start();
  await store.cancelTask(third, { owner: ANY_OWNER });
  await next(told(third, "cancelled"));
  expect(messages.filter((message) => told(beyond, "cancelled")(message as Json))).toEqual([]);
  await mcp.close();
});
