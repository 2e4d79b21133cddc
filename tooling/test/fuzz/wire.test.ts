import { PassThrough } from "node:stream";
import { ANY_OWNER } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import fc from "fast-check";
import { expect, test } from "vitest";
import { instance, text } from "../serving/support/instance.ts";
import { ABLE, envelope } from "../serving/support/rpc.ts";
import { type Message, messages } from "./bodies.ts";
import { runs, TIMEOUT_MS } from "./hostile.ts";

// Whatever a client sends, the server answers as JSON-RPC says, reports no failure, and goes on. An
// unhandled rejection fails the run.

function serve() {
  const store = new MemoryTaskStore({ sweepIntervalMs: false });
  const server = instance(store, (tasks, mcp) => {
    tasks.registerFallbackTools(mcp);
    tasks.registerTool(mcp, "work", { runs: "worker", task: "optional", withoutTasks: "tools" });
    tasks.registerTool(mcp, "quick", { task: "never" }, () => text("done"));
  });
  return { store, server };
}

/** A task of another owner, which nothing may change. */
async function canaryOf(store: MemoryTaskStore) {
  const { taskId } = await store.createTask({ name: "work", owner: "canary" });
  const before = await store.getRecord(taskId, { owner: ANY_OWNER });
  return async () => expect(await store.getRecord(taskId, { owner: ANY_OWNER })).toEqual(before);
}

test("over HTTP", { timeout: TIMEOUT_MS }, async () => {
  const { store, server } = serve();
  const isUnchanged = await canaryOf(store);
  const peer = server.peer("user");
  await fc.assert(
    fc.asyncProperty(messages, async (message) => {
      const response = await server.handler.fetch(requestOf(message));
      await checkAnswer(response);
      expect(server.errors.splice(0)).toEqual([]);
      expect(await peer.ask("tasks/get", { taskId: "unknown" })).toMatchObject({ error: { code: -32602 } });
    }),
    runs(400),
  );
  await isUnchanged();
  await server[Symbol.asyncDispose]();
  await store.close();
});

function requestOf({ body, headers }: Message): Request {
  const accept = "application/json, text/event-stream";
  return new Request("http://127.0.0.1/mcp", {
    method: "POST",
    headers: { "content-type": "application/json", accept, ...headers },
    body,
  });
}

/** No status of a fault, and a body of JSON-RPC. A stream is left after its first message. */
async function checkAnswer(response: Response): Promise<void> {
  expect(response.status).toBeLessThan(500);
  if (response.headers.get("content-type")?.startsWith("text/event-stream")) {
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    return;
  }
  const body = await response.text();
  if (body === "") return expect(response.status).toBeOneOf([202, 204, 400, 404, 405]);
  const said: unknown = JSON.parse(body);
  for (const one of Array.isArray(said) ? said : [said]) {
    expect(one).toMatchObject({ jsonrpc: "2.0" });
    // An internal error would be a fault of ours.
    expect((one as { error?: { code: number } }).error?.code).not.toBe(-32603);
  }
}

test("over stdio", { timeout: TIMEOUT_MS }, async () => {
  const { store, server } = serve();
  const isUnchanged = await canaryOf(store);
  const [input, output] = [new PassThrough(), new PassThrough()];
  const transport = new StdioServerTransport(input, output);
  const handle = server.tasks.serveStdio(server.newServer, { transport });
  const answers = new Map<unknown, () => void>();
  let rest = "";
  output.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) answers.get((JSON.parse(line) as { id?: unknown }).id)?.();
  });
  let last = 0;
  await fc.assert(
    fc.asyncProperty(messages, async ({ body }) => {
      // A line ends a message.
      input.write(
        typeof body === "string" ? `${body.replaceAll("\n", " ")}\n` : Buffer.concat([body, Buffer.from("\n")]),
      );
      const id = `probe ${++last}`;
      const answered = new Promise<void>((resolve) => answers.set(id, resolve));
      const params = { taskId: "unknown", _meta: envelope(ABLE) };
      input.write(`${JSON.stringify({ jsonrpc: "2.0", id, method: "tasks/get", params })}\n`);
      await answered;
      answers.delete(id);
      expect(server.errors.splice(0)).toEqual([]);
    }),
    runs(400),
  );
  await isUnchanged();
  await handle.close();
  await server[Symbol.asyncDispose]();
  await store.close();
});
