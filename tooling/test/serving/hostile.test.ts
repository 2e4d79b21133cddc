import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Instance, type InstanceOptions, instance } from "./support/instance.ts";
import { ABLE, answerOf, envelope, type Json, type Peer } from "./support/rpc.ts";

const LISTEN = { "mcp-protocol-version": "2026-07-28", "mcp-method": "subscriptions/listen" };

let store: TaskStore;
let server: Instance;
let peer: Peer;

function serve(options: InstanceOptions = {}): Instance {
  return instance(store, (tasks, mcp) => void tasks.registerTool(mcp, "work", { runs: "worker" }), options);
}

beforeEach(() => {
  store = new MemoryTaskStore({ sweepIntervalMs: false });
  server = serve({ http: { maxRequestBodySize: 100_000 } });
  peer = server.peer();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await store.close();
});

test("an endless body is cut off", async () => {
  let chunks = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      chunks += 1;
      if (chunks > 1000) controller.close();
      else controller.enqueue(new Uint8Array(10_000).fill(32));
    },
  });
  const headers = { ...LISTEN, "content-type": "application/json" };
  const request = { method: "POST", headers, body, duplex: "half" } as RequestInit;
  const response = await server.handler.fetch(new Request(peer.url, request));
  expect(response.status).toBe(413);
  expect(chunks).toBeLessThan(50);
});

test("a body of too many parts or levels is refused before it is parsed", async () => {
  const body = (content: string) =>
    `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"x","_meta":${JSON.stringify(envelope())},"a":${content}}}`;
  const headers = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tasks/get",
    "mcp-name": "x",
  };
  const answer = async (content: string) => {
    const request = new Request(peer.url, { method: "POST", headers, body: body(content) });
    const response = await server.handler.fetch(request);
    return { status: response.status, ...(await answerOf(response)) };
  };
  const empties = (count: number) => `[${Array.from({ length: count }, () => "{}").join(",")}]`;
  expect(await answer(empties(19_900))).toMatchObject({ status: 200, error: { code: -32602 } });
  expect(await answer(empties(20_000))).toMatchObject({ status: 413, error: { code: -32000 } });
  expect(await answer(`${"[".repeat(600)}${"]".repeat(600)}`)).toMatchObject({ status: 413, error: { code: -32000 } });
  // Within a string, nothing counts, and an escaped quotation mark does not end it.
  const text = JSON.stringify(`\\"\\\\"${"[{:".repeat(20_000)}`);
  expect(await answer(text)).toMatchObject({ status: 200, error: { code: -32602 } });
});

test("a malformed subscription gets an error, and the stream of an empty one ends", async () => {
  const listen = (params: Json) => ({
    jsonrpc: "2.0",
    id: 1,
    method: "subscriptions/listen",
    params: { _meta: envelope(), ...params },
  });
  const answer = async (body: object) => answerOf(await peer.post(body, LISTEN));
  expect((await answer([])).error).toBeDefined();
  expect((await answer({ ...listen({}), method: "tools/list" })).error).toBeDefined();
  expect((await answer({ ...listen({ notifications: { taskIds: [] } }), id: null })).error).toBeDefined();
  expect((await answer(listen({}))).error).toMatchObject({ code: -32602 });
  expect((await answer(listen({ notifications: 7 }))).error).toMatchObject({ code: -32602 });
  for (const taskIds of ["text", null, { 0: "x" }, [null, 7, {}]])
    expect((await answer(listen({ notifications: { taskIds } }))).result, JSON.stringify(taskIds)).toBeDefined();
  const cut = new Request(peer.url, {
    method: "POST",
    headers: { ...LISTEN, "content-type": "application/json", accept: "application/json, text/event-stream" },
    body: "{",
  });
  expect((await answerOf(await server.handler.fetch(cut))).error).toMatchObject({ code: -32700 });
});

test("ids of any kind are unknown and cause no failure", async () => {
  for (const taskId of ["", "\0", "\ud800", "x".repeat(10_000), "__proto__", "' OR 1=1", "*", "ünïcode"])
    for (const method of ["tasks/get", "tasks/cancel", "tasks/update"]) {
      const body = { jsonrpc: "2.0", id: 1, method, params: { taskId, inputResponses: {}, _meta: envelope() } };
      // A header cannot hold most of these, so it is left out then.
      const named = /^[\x20-\x7e]+$/.test(taskId) ? { "mcp-name": taskId } : {};
      const response = await peer.post(body, { ...LISTEN, "mcp-method": method, ...named });
      const { error, text } = await answerOf(response);
      expect(error, text).toMatchObject({ code: expect.toBeOneOf([-32602, -32020]) });
    }
  for (const taskId of [undefined, null, 7, {}, ["x"]])
    expect((await peer.ask("tasks/get", { taskId })).error).toMatchObject({
      code: expect.toBeOneOf([-32602, -32020]),
    });
});

test("a subscriber that reads late gets the last state, not each one", async () => {
  const { taskId } = await peer.start("work");
  const [slow, quick] = [await peer.listen([taskId]), await peer.listen([taskId])];
  await quick.acknowledged();
  for (let round = 0; round < 50; round += 1) {
    await store.updateTask(taskId, { statusMessage: `round ${round}` }, { owner: ANY_OWNER });
    await quick.state((task) => task["statusMessage"] === `round ${round}`);
  }
  await slow.acknowledged();
  let states = 0;
  await slow.state((task) => {
    states += 1;
    return task["statusMessage"] === "round 49";
  });
  expect(states).toBeLessThan(5);
  await store.cancelTask(taskId, { owner: ANY_OWNER });
  for (const stream of [slow, quick]) {
    await stream.state(({ status }) => status === "cancelled");
    expect(await stream.endsGracefully()).toBe(true);
  }
});

test("a subscriber that never reads does not keep the server from closing", async () => {
  const { taskId } = await peer.start("work");
  const stuck = await peer.listen([taskId]);
  const other = await peer.listen([taskId]);
  await other.acknowledged();
  await other.state();
  await store.updateTask(taskId, { statusMessage: "on" }, { owner: ANY_OWNER });
  await other.state((task) => task["statusMessage"] === "on");
  await server.handler.close();
  expect(await other.endsGracefully()).toBe(true);
  await stuck.leave();
});

test("a failed `owner` mapping on stdio refuses the request, and the server goes on", async () => {
  const { InMemoryTransport } = await import("@modelcontextprotocol/server");
  let known = false;
  await using other = serve({
    owner: () => {
      if (!known) throw new Error("Who?");
      return "Ada";
    },
  });
  const [client, serving] = InMemoryTransport.createLinkedPair();
  const handle = other.tasks.serveStdio(other.newServer, { transport: serving });
  const received: Json[] = [];
  const waiting = new Set<() => void>();
  client.onmessage = (message) => {
    received.push(message as unknown as Json);
    for (const wake of waiting) wake();
  };
  await client.start();
  const ask = async (id: number) => {
    const params = { notifications: { taskIds: ["x"] }, _meta: envelope(ABLE) };
    await client.send({ jsonrpc: "2.0", id, method: "subscriptions/listen", params } as never);
    for (;;) {
      const answer = received.find((message) => message["id"] === id);
      if (answer) return answer;
      await new Promise<void>((resolve) => waiting.add(resolve));
    }
  };
  expect(await ask(1)).toMatchObject({ error: { code: -32603 } });
  known = true;
  expect(await ask(2)).toHaveProperty("result");
  expect(other.errors.splice(0).map(String)).toEqual(["Error: Who?"]);
  await handle.close();
});
