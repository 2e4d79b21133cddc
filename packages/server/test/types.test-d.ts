import type { CreateMessageResult, ElicitResult, TaskContext, TaskWorker } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { type CreatedTask, type TaskCaller, TasksExtension, type TaskToolConfig } from "@mcp-task-store/server";
import { sdkTaskStore } from "@mcp-task-store/server/sdk";
import {
  type AuthInfo,
  type InputRequests,
  type InputResponses,
  inputRequired,
  type McpHttpHandler,
  type McpServer,
  type RegisteredTool,
  type ServerContext,
} from "@modelcontextprotocol/server";
import type { StdioServerHandle } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

// Checked by the compiler, never run.

/** Compiles if the value is assignable to `Expected`. */
declare function expectType<Expected>(value: Expected): void;
/** Compiles if the types are the same. */
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

// The arguments have the schema's output type, not its input type.
tasks.registerTool(server, "typed", { inputSchema, outputSchema }, (args, task) => {
  expectSame<typeof args, { file: string; times: number; mode: number }>();
  expectSame<typeof task, TaskContext>();
  expectSame<typeof task.context, Record<string, unknown> | undefined>();
  expectSame<typeof task.signal, AbortSignal>();
  expectType<Promise<ElicitResult>>(task.elicit({ message: "Sure?" }));
  expectType<Promise<CreateMessageResult>>(task.sample({ messages: [], maxTokens: 1 }));
  return { content: [{ type: "text", text: args.file }], structuredContent: { sum: args.times } };
});

// So do those of `task` and `prepare`.
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
  async (_, { context }) => {
    expectSame<typeof context, { file: string }>();
    return done;
  },
);

// Any return value of `prepare` but questions is the handler's context.
const ask = inputRequired({ inputRequests: {} });
tasks.registerTool(
  server,
  "asks",
  { inputSchema, prepare: ({ times }) => (times > 1 ? { sure: true } : ask) },
  (_, { context }) => {
    expectSame<typeof context, { sure: boolean }>();
    return done;
  },
);
tasks.registerTool(
  server,
  "asks",
  {
    prepare: async () => {
      await store.getTask("1");
      return Math.random() > 0.5 ? ask : undefined;
    },
  },
  (_, { context }) => {
    expectSame<typeof context, undefined>();
    return done;
  },
);

// An answer has the type of its question.
tasks.registerTool(server, "form", {}, async (_, task) => {
  const properties = {
    name: { type: "string" },
    size: { enum: ["s", "m"] },
    count: { type: "integer" },
    sure: { type: "boolean" },
  } as const;
  const requestedSchema = { type: "object", properties, required: ["name", "size"] } as const;
  const { action, content } = await task.elicit({ mode: "form", message: "?", requestedSchema });
  expectSame<typeof action, "accept" | "decline" | "cancel">();
  if (content) {
    expectSame<typeof content.name, string>();
    expectSame<typeof content.size, "s" | "m">();
    expectSame<typeof content.count, number | undefined>();
    expectSame<typeof content.sure, boolean | undefined>();
    // @ts-expect-error no such field
    content.colour;
  }
  const inline = await task.elicit({
    message: "?",
    requestedSchema: { type: "object", properties: { age: { type: "number" } }, required: ["age"] },
  });
  expectType<{ age: number } | undefined>(inline.content);
  // A generated schema, such as zod's, gives no types.
  const made = await task.elicit({ message: "?", requestedSchema: z.toJSONSchema(z.object({ name: z.string() })) });
  expectSame<typeof made, ElicitResult>();
  const url = await task.elicit({ mode: "url", message: "?", url: "https://example.com", elicitationId: "1" });
  expectSame<typeof url, ElicitResult>();
  return done;
});

// Without a schema, the arguments are unchecked.
tasks.registerTool(server, "untyped", {}, (args) => {
  expectSame<typeof args, Record<string, unknown> | undefined>();
  return done;
});

// The handler may run in another process.
expectType<RegisteredTool>(tasks.registerTool(server, "elsewhere", { inputSchema, runs: "worker" }));
tasks.registerTool(server, "either", { inputSchema, runs: "worker" }, async ({ file }) => {
  expectSame<typeof file, string>();
  return done;
});

// Every option may be absent or `undefined`.
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
    concurrency: { running: 10, runningPerOwner: 2 },
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
// `withoutTasks` is for tools whose calls may become tasks.
tasks.registerTool(server, "plain", { inputSchema, withoutTasks: "tools" }, ({ file }) => {
  expectSame<typeof file, string>();
  return done;
});
tasks.registerTool(server, "plain", { task: "required", withoutTasks: "inline" }, () => done);
tasks.registerTool(server, "plain", {
  inputSchema,
  task: ({ times }) => (times > 1 ? "required" : "never"),
  withoutTasks: "refuse",
  runs: "worker",
});
declare const config: TaskToolConfig<typeof inputSchema>;
tasks.registerTool(server, "plain", config, ({ file }) => ({ content: [{ type: "text", text: file }] }));
// @ts-expect-error no call of the tool becomes a task
tasks.registerTool(server, "wrong", { task: "never", withoutTasks: "inline" }, () => done);
// @ts-expect-error no such way
tasks.registerTool(server, "wrong", { withoutTasks: "tool" }, () => done);
new TasksExtension({ store, withoutTasks: "tools" });
// @ts-expect-error no such way
new TasksExtension({ store, withoutTasks: "tool" });
expectType<Record<"status" | "result" | "cancel" | "answer", RegisteredTool>>(
  tasks.registerFallbackTools(server, { status: { name: "job_status" }, maxWaitMs: 10_000 }),
);
// @ts-expect-error no such tool
tasks.registerFallbackTools(server, { list: {} });

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

// `create` resolves to a tool's return value.
server.registerTool("plain", {}, (context) => tasks.create(context, { context: { a: 1 }, ttl: null }));
expectType<Promise<CreatedTask>>(tasks.create(ctx));
// @ts-expect-error no such option
void tasks.create(ctx, { timeoutMs: 1 });

/** The interface of a store in the draft of the SDK's extension, with types of the SDK. */
interface DraftedInSdk {
  create(params: {
    ttlMs: number | null;
    pollIntervalMs?: number;
    principal?: string;
    context?: Record<string, unknown>;
  }): Promise<{ taskId: string; ttlMs: number | null; pollIntervalMs?: number }>;
  get(
    taskId: string,
    access?: { principal?: string },
  ): Promise<{ status: "input_required"; inputRequests: InputRequests } | { status: string } | undefined>;
  update(taskId: string, inputResponses: InputResponses, access?: { principal?: string }): Promise<boolean>;
  cancel(taskId: string, access?: { principal?: string }): Promise<boolean>;
}
expectType<DraftedInSdk>(sdkTaskStore(store));
sdkTaskStore(store, { claimAfterMs: 0 });
// @ts-expect-error: no such option
sdkTaskStore(store, { claimAfter: 0 });

expectType<Promise<{ ran: number; done: boolean }>>(tasks.drain({ maxMs: 20_000, concurrency: 4 }));
// @ts-expect-error: no such option
tasks.drain({ maxMS: 20_000 });
