import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { InMemoryTransport, type JSONRPCMessage, ProtocolError } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FORM, Gate, type Instance, instance, type Register, text } from "./support/instance.ts";
import { PLAIN } from "./support/rpc.ts";
import type { Message } from "./support/stream.ts";

// Calls answered at once although only workers run the tool. They end like calls on a server with
// the handler.

let store: TaskStore;
let server: Instance;
let worker: Instance;
let gate: Gate;

const register: Register = (tasks, mcp) => {
  tasks.registerTool(mcp, "asks", { runs: "worker" }, async (_, task) => {
    const { content } = await task.elicit(FORM);
    return text(`Hello, ${content?.["name"]}!`);
  });
  tasks.registerTool(mcp, "throws", { runs: "worker" }, () => {
    throw new Error("Oh");
  });
  tasks.registerTool(mcp, "breaks", { runs: "worker" }, () => {
    throw new ProtocolError(-32050, "No luck", 7);
  });
  tasks.registerTool(mcp, "tells", { runs: "worker" }, async (_, task) => {
    await task.progress("half-way");
    await gate.pass(task.signal);
    return text("done");
  });
};

beforeEach(() => {
  store = new MemoryTaskStore({ sweepIntervalMs: false });
  gate = new Gate();
  server = instance(store, register, { worker: false });
  worker = instance(store, register, { worker: false });
  worker.newServer();
  worker.tasks.startWorker();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await worker[Symbol.asyncDispose]();
  await store.close();
});

const made = async () => (await store.listTasks(undefined, { owner: ANY_OWNER })).tasks;

test("errors of the handler arrive as from any tool", async () => {
  const call = (name: string) => server.peer().ask("tools/call", { name, arguments: {} }, PLAIN);
  expect((await call("throws")).result).toMatchObject({ isError: true, ...text("Oh") });
  expect((await call("breaks")).error).toEqual({ code: -32050, message: "No luck", data: 7 });
  // A client of 2026-07-28 without tasks cannot be asked during a call.
  const { result } = await call("asks");
  expect(result).toMatchObject({ isError: true });
  expect(JSON.stringify(result)).toContain("ask in `prepare`");
});

test("a client of 2025-11-25 gets questions and progress during the call, and its cancel ends the task", async () => {
  const [client, serving] = InMemoryTransport.createLinkedPair();
  const messages: Message[] = [];
  let wake = Promise.withResolvers<void>();
  client.onmessage = (message) => {
    messages.push(message as Message);
    wake.resolve();
    wake = Promise.withResolvers();
  };
  const next = async (wanted: (message: Message) => boolean): Promise<Message> => {
    for (;;) {
      const found = messages.find(wanted);
      if (found) return found;
      await wake.promise;
    }
  };
  const send = (message: object) => client.send({ jsonrpc: "2.0", ...message } as JSONRPCMessage);
  const mcp = server.newServer();
  await mcp.connect(serving);
  await client.start();
  const clientInfo = { name: "test", version: "1.0.0" };
  const capabilities = { elicitation: { form: {} } };
  await send({
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities, clientInfo },
  });
  await next(({ id }) => id === 1);
  await send({ method: "notifications/initialized" });

  await send({ id: 2, method: "tools/call", params: { name: "asks", arguments: {} } });
  const question = await next(({ method }) => method === "elicitation/create");
  await send({ id: question.id, result: { action: "accept", content: { name: "Ada" } } });
  expect((await next(({ id }) => id === 2)).result).toMatchObject(text("Hello, Ada!"));

  const _meta = { progressToken: "p" };
  await send({ id: 3, method: "tools/call", params: { name: "tells", arguments: {}, _meta } });
  const { params } = await next(({ method }) => method === "notifications/progress");
  expect(params).toMatchObject({ progressToken: "p", message: "half-way" });
  const [, told] = await made();
  await send({ method: "notifications/cancelled", params: { requestId: 3 } });
  await store.waitForTask(String(told?.taskId), { owner: ANY_OWNER });
  expect((await made()).map(({ status }) => status)).toEqual(["completed", "cancelled"]);
  await mcp.close();
});
