// A server with a tool that may run as a task, and its clients, in one process. Prints the answers
// to the clients.
//
// round-trip.cjs <how our packages are loaded> <how the SDK is> <whose createMcpHandler serves:
// tasks | sdk>

const [ours, sdks, handlers] = process.argv.slice(2);

/** `require` and `import` give two copies of a package that has a build for each. */
function load(how, name) {
  return how === "require" ? require(name) : import(name);
}

const ENVELOPE = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "viewer", version: "1.0.0" },
  "io.modelcontextprotocol/clientCapabilities": { extensions: { "io.modelcontextprotocol/tasks": {} } },
};

async function main() {
  const { TasksExtension } = await load(ours, "@mcp-task-store/server");
  const { MemoryTaskStore } = await load(ours, "@mcp-task-store/memory");
  const { createMcpHandler, McpServer, ProtocolError } = await load(sdks, "@modelcontextprotocol/server");
  const { Client, StreamableHTTPClientTransport } = await load(sdks, "@modelcontextprotocol/client");

  const store = new MemoryTaskStore();
  const reported = Promise.withResolvers();
  const tasks = new TasksExtension({ store, onError: (error) => reported.resolve(error.message) });
  const factory = () => {
    const server = new McpServer({ name: "studio", version: "1.0.0" });
    tasks.registerTool(server, "render", {}, async (_, task) => {
      await task.progress("half");
      return { content: [{ type: "text", text: "rendered" }] };
    });
    tasks.registerTool(server, "refuse", {}, async () => {
      throw new ProtocolError(-32010, "Refused", { why: "sold out" });
    });
    return server;
  };
  const url = new URL("http://127.0.0.1/mcp");
  const handler = handlers === "tasks" ? tasks.createMcpHandler(factory) : createMcpHandler(factory);
  const fetch = (input, init) => handler.fetch(new Request(input, init));

  const ask = async (method, params) => {
    const name = params.name ?? params.taskId;
    const headers = {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      "mcp-name": name,
    };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: ENVELOPE } });
    const response = await fetch(url, { method: "POST", headers, body });
    return await response.json();
  };
  /** The end of a call's task. */
  const outcome = async (name) => {
    const called = await ask("tools/call", { name });
    if (called.error) return called;
    const { taskId } = called.result;
    await store.waitForResult(taskId).catch(() => undefined);
    const { result } = await ask("tasks/get", { taskId });
    return { status: result.status, content: result.result?.content, error: result.error };
  };

  const answers = { task: await outcome("render"), refusedTask: await outcome("refuse") };
  // Otherwise the server answers nothing, and the application gets the reason.
  if (answers.task.error) answers.reported = await reported.promise;
  else {
    answers.unknown = (await ask("tasks/get", { taskId: "unknown" })).error;
    for (const mode of ["auto", "legacy"]) {
      const client = new Client({ name: "viewer", version: "1.0.0" }, { versionNegotiation: { mode } });
      await client.connect(new StreamableHTTPClientTransport(url, { fetch }));
      const { content } = await client.callTool({ name: "render" });
      const refusal = await client.callTool({ name: "refuse" }).catch(({ code, data }) => ({ code, data }));
      answers[mode] = { content, refusal };
      await client.close();
    }
  }
  console.log(JSON.stringify(answers));
  await handler.close();
  await tasks.close();
  await store.close();
}

void main();
