import type { CreateMessageResult, ElicitResult, TaskContext, TaskWorker } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { type CreatedTask, type TaskCaller, TasksExtension, type TaskToolConfig } from "@mcp-task-store/server";
import type { AuthInfo, McpHttpHandler, McpServer, RegisteredTool, ServerContext } from "@modelcontextprotocol/server";
import type { StdioServerHandle } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

// Checked by the compiler, never run.

/** Compiles when a value of the type can stand where an `Expected` is wanted. */
declare function expectType<Expected>(value: Expected): void;
/** Compiles when the types are the same. */
declare function expectSame<A, B>(
  ..._: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? [] : [never]
): void;

declare const server: McpServer;
declare const ctx: ServerContext;

const store = new MemoryTaskStore();
const tasks = new TasksExtension({ store });
const done = { content: [] };
const inputSchema = z.object({ file: z.string(), times: z.number().default(1), mode: z.string().transform(Number) });
const outputSchema = z.object({ sum: z.number() });

// The arguments are what the schema gives, not what it takes.
tasks.registerTool(server, "typed", { inputSchema, outputSchema }, (args, task) => {
  expectSame<typeof args, { file: string; times: number; mode: number }>();
  expectSame<typeof task, TaskContext>();
  expectSame<typeof task.signal, AbortSignal>();
  expectType<Promise<ElicitResult>>(task.elicit({}));
  expectType<Promise<CreateMessageResult>>(task.sample({}));
  return { content: [{ type: "text", text: args.file }], structuredContent: { sum: args.times } };
});

// So are those of `task` and `prepare`.
tasks.registerTool(
  server,
  "decided",
  {
    inputSchema,
    task: (args, context) => {
      expectSame<typeof args, { file: string; times: number; mode: number }>();
      expectSame<typeof context, ServerContext>();
      return args.times > 1 ? "required" : "never";
    },
    prepare: async ({ file }) => ({ file }),
  },
  async () => done,
);

// Without a schema, they are whatever came.
tasks.registerTool(server, "untyped", {}, (args) => {
  expectSame<typeof args, Record<string, unknown> | undefined>();
  return done;
});

// The handler may be elsewhere.
expectType<RegisteredTool>(tasks.registerTool(server, "elsewhere", { inputSchema, runs: "worker" }));
tasks.registerTool(server, "either", { inputSchema, runs: "worker" }, async ({ file }) => {
  expectSame<typeof file, string>();
  return done;
});

// Every option is optional, `undefined` too.
tasks.registerTool(
  server,
  "all",
  {
    title: "All",
    description: "All of them",
    inputSchema,
    outputSchema,
    annotations: { readOnlyHint: true },
    task: "optional",
    prepare: undefined,
    answerWithinMs: undefined,
    onLost: "fail",
    runs: "server",
    ttl: null,
    pollInterval: 500,
    timeoutMs: 1000,
    inputTimeoutMs: undefined,
    _meta: { "example.com/a": 1 },
  },
  () => done,
);

// @ts-expect-error a handler is needed
tasks.registerTool(server, "none", { inputSchema });
// @ts-expect-error a handler is needed
tasks.registerTool(server, "none", { inputSchema, runs: "server" });
// @ts-expect-error no such mode
tasks.registerTool(server, "wrong", { task: "always" }, () => done);
// @ts-expect-error no such place
tasks.registerTool(server, "wrong", { runs: "client" }, () => done);
// @ts-expect-error no such option
tasks.registerTool(server, "wrong", { timeout: 5 }, () => done);
// @ts-expect-error not a number
tasks.registerTool(server, "wrong", { answerWithinMs: "1s" }, () => done);
// @ts-expect-error no schema
tasks.registerTool(server, "wrong", { inputSchema: { file: "string" } }, () => done);
// @ts-expect-error no result of a tool
tasks.registerTool(server, "wrong", {}, () => "done");
// @ts-expect-error no such argument
tasks.registerTool(server, "wrong", { inputSchema }, ({ folder }) => ({ content: [], folder }));
// @ts-expect-error no such mode
tasks.registerTool(server, "wrong", { inputSchema, task: () => "always" }, () => done);
// @ts-expect-error a store is needed
new TasksExtension({});
// @ts-expect-error no store
new TasksExtension({ store: new Map() });

expectType<TaskToolConfig<typeof inputSchema, typeof outputSchema>>({ inputSchema, outputSchema });

new TasksExtension({
  store,
  owner: (caller) => {
    expectSame<typeof caller, TaskCaller>();
    expectType<AuthInfo | undefined>(caller.authInfo);
    return caller.authInfo?.clientId;
  },
  worker: false,
  leaseMs: 10_000,
  onError: (error) => expectType<Error>(error),
});

expectType<McpHttpHandler>(tasks.createMcpHandler(() => server, { legacy: "reject" }));
expectType<StdioServerHandle>(tasks.serveStdio(async () => server));
expectType<TaskWorker>(tasks.startWorker({ concurrency: 2 }));
expectType<AsyncDisposable>(tasks);
expectType<void>(tasks.attach(server));

// What `create` resolves to is what a tool returns.
server.registerTool("plain", {}, (context) => tasks.create(context, { context: { a: 1 }, ttl: null }));
expectType<Promise<CreatedTask>>(tasks.create(ctx));
// @ts-expect-error no such option
void tasks.create(ctx, { timeoutMs: 1 });
