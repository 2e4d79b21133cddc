import { startWorker, type TaskHandler, type TaskWorker, type WorkerOptions } from "@mcp-task-store/core";
import type {
  CreateMcpHandlerOptions,
  McpHttpHandler,
  McpServer,
  McpServerFactory,
  RegisteredTool,
  ServerContext,
  StandardSchemaWithJSON,
} from "@modelcontextprotocol/server";
import {
  type ServeStdioOptions,
  type StdioServerHandle,
  StdioServerTransport,
  serveStdio,
} from "@modelcontextprotocol/server/stdio";
import { defaultOwner } from "./callers.ts";
import { Connection } from "./connection.ts";
import { handlerWithTasks } from "./http.ts";
import { Methods } from "./methods.ts";
import type { CreatedTask, CreateOptions, TasksExtensionOptions, TaskToolConfig, TaskToolHandler } from "./options.ts";
import { Shared } from "./shared.ts";
import { TasksTransport } from "./stdio.ts";
import { ToolCalls } from "./tool-calls.ts";
import { runnerOf, type TaskTool, withDeadline } from "./tools.ts";
import { TASKS_EXTENSION_ID } from "./wire.ts";

const METHODS = ["tasks/get", "tasks/update", "tasks/cancel", "tasks/result", "tasks/list"] as const;

/** Tasks that a server takes over at once, unless said otherwise. */
const TAKEOVER_CONCURRENCY = 10;

/**
 * The MCP Tasks extension (SEP-2663, for clients of 2026-07-28), and the tasks of 2025-11-25, on a durable store. One instance serves any
 * number of servers: attach it to each, before its tools are registered.
 */
export class TasksExtension implements AsyncDisposable {
  readonly id = TASKS_EXTENSION_ID;
  readonly #options: TasksExtensionOptions;
  readonly #shared: Shared;
  readonly #servers = new WeakMap<McpServer, ToolCalls>();
  /** What this process runs and takes over, by tool name. */
  readonly #handlers = new Map<string, TaskHandler>();
  /** What it runs if it is told to be a worker. */
  readonly #workerHandlers = new Map<string, TaskHandler>();
  readonly #workers = new Set<TaskWorker>();
  #closed = false;

  constructor(options: TasksExtensionOptions) {
    const { store, owner = defaultOwner, leaseMs, heartbeatMs } = options;
    const onError = options.onError ?? ((error) => process.emitWarning(error));
    this.#options = options;
    this.#shared = new Shared(store, { leaseMs, heartbeatMs }, onError, owner);
  }

  /**
   * Serves tasks on `server`: its methods, its capabilities (both generations), and the calls of its tools that become tasks. Calling it
   * again for the same server does nothing.
   * @throws Error after the server's first tool was registered, or when it handles a method of tasks already
   */
  attach(server: McpServer): void {
    if (this.#servers.has(server)) return;
    const { server: protocol } = server;
    for (const method of METHODS) protocol.assertCanSetRequestHandler(method);
    try {
      protocol.assertCanSetRequestHandler("tools/call");
    } catch (cause) {
      const message =
        "Attach the tasks extension before the server's first tool is registered, and leave `capabilities.tools` to the server";
      throw new Error(message, { cause });
    }
    protocol.registerCapabilities({
      extensions: { [TASKS_EXTENSION_ID]: {} },
      tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
    });
    const connection = new Connection(this.#shared, server);
    const calls = new ToolCalls(this.#shared, server, connection);
    new Methods(this.#shared, server, connection);
    // McpServer registers its own handler with the first tool. Nothing else lets an error of a call through, or a task.
    const register = protocol.setRequestHandler.bind(protocol) as (...all: unknown[]) => void;
    protocol.setRequestHandler = ((method: string, handler: unknown, ...rest: unknown[]) =>
      method === "tools/call" && typeof handler === "function"
        ? register(method, calls.wrap(handler as never))
        : register(method, handler, ...rest)) as typeof protocol.setRequestHandler;
    this.#servers.set(server, calls);
  }

  /**
   * Registers a tool whose calls may become tasks, as `server.registerTool` does otherwise. The last registration of a name in this process says
   * how its tasks are run. Attaches the extension if it is not yet.
   * @param handler May be left out if `runs` is `worker`, and the handler is elsewhere.
   * @throws Error as `attach` and `server.registerTool`; TypeError without a handler that the config needs
   */
  registerTool<
    Input extends StandardSchemaWithJSON | undefined = undefined,
    Output extends StandardSchemaWithJSON | undefined = undefined,
  >(
    server: McpServer,
    name: string,
    config: TaskToolConfig<Input, Output> & { runs: "worker" },
    handler?: TaskToolHandler<Input>,
  ): RegisteredTool;
  registerTool<
    Input extends StandardSchemaWithJSON | undefined = undefined,
    Output extends StandardSchemaWithJSON | undefined = undefined,
  >(
    server: McpServer,
    name: string,
    config: TaskToolConfig<Input, Output>,
    handler: TaskToolHandler<Input>,
  ): RegisteredTool;
  registerTool<Input extends StandardSchemaWithJSON | undefined, Output extends StandardSchemaWithJSON | undefined>(
    server: McpServer,
    name: string,
    config: TaskToolConfig<Input, Output>,
    handler?: TaskToolHandler<Input>,
  ): RegisteredTool {
    if (!handler && config.runs !== "worker") throw new TypeError(`Tool ${name} needs a handler, or runs: "worker"`);
    this.attach(server);
    const calls = this.#servers.get(server) as ToolCalls;
    const { title, description, inputSchema, outputSchema, annotations, icons, scopeChallenge, _meta } = config;
    const given = { title, description, inputSchema, outputSchema, annotations, icons, scopeChallenge, _meta };
    const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const atOnce = (args: unknown, ctx: ServerContext) => calls.atOnce(tool, args, ctx);
    const callback = inputSchema ? atOnce : (ctx: ServerContext) => atOnce(undefined, ctx);
    const registered = server.registerTool(
      name,
      known as { inputSchema: StandardSchemaWithJSON },
      callback as typeof atOnce,
    );
    const tool: TaskTool = { name, config, handler: handler as TaskTool["handler"], registered };
    calls.add(tool);
    const support =
      config.runs === "worker" ? "required" : typeof config.task === "function" ? "optional" : config.task;
    // Clients of 2025-11-25 go by it.
    if (support !== "never") registered.execution = { taskSupport: support ?? "optional" };
    if (handler) this.#learn({ ...tool, handler } as TaskTool & { handler: object });
    return registered;
  }

  /**
   * Inside the callback of a tool that was registered with `server.registerTool`: makes its call a task for whoever claims it by the tool's name, for
   * instance `startWorker` in another process. Durable when the promise resolves; return what it resolves to.
   * @throws ProtocolError, which becomes the JSON-RPC error of the call: -32021 or -32601 if the client cannot have a task here, -32000 at a
   * cap, -32602 for arguments that are too large
   */
  async create(ctx: ServerContext, options: CreateOptions = {}): Promise<CreatedTask> {
    const { taskId } = await ToolCalls.create(ctx, options);
    return { taskId, content: [] };
  }

  /**
   * The SDK's `createMcpHandler`, with `notifications/tasks` on `subscriptions/listen` for changes made by any process. The factory is
   * called once at the start, so that this process takes over tasks of lost servers before its first request.
   */
  createMcpHandler(factory: McpServerFactory, options: CreateMcpHandlerOptions = {}): McpHttpHandler {
    this.#meet(factory);
    return handlerWithTasks(this.#shared, factory, options, this.#maxTasks);
  }

  /** The SDK's `serveStdio`, as `createMcpHandler` is for HTTP. */
  serveStdio(factory: McpServerFactory, options: ServeStdioOptions = {}): StdioServerHandle {
    this.#meet(factory);
    const transport = new TasksTransport(options.transport ?? new StdioServerTransport(), this.#shared, this.#maxTasks);
    return serveStdio(factory, { ...options, transport });
  }

  /**
   * Makes this process a worker: it runs the tasks of all tools that were registered here, those with `runs: "worker"` too, and takes
   * them as soon as they are made. See `startWorker` of core.
   */
  startWorker(options: WorkerOptions = {}): TaskWorker {
    const { leaseMs, heartbeatMs } = this.#options;
    const worker = startWorker(this.#shared.store, this.#workerHandlers, { leaseMs, heartbeatMs, ...options });
    this.#workers.add(worker);
    return worker;
  }

  /**
   * Stops what this process runs: its tasks are given back, so that other processes go on with them, and those of tools with `onLost: "fail"`
   * fail. Resolves when all handlers have settled. Calling it again does nothing.
   */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#shared.runs.stop(), ...[...this.#workers].map((worker) => worker.stop())]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #maxTasks(): number {
    return this.#options.maxTasksPerSubscription ?? 100;
  }

  #learn(tool: TaskTool & { handler: object }): void {
    const handler = this.#shared.runs.runnerOf(tool, withDeadline(runnerOf(tool), tool.config.timeoutMs));
    this.#workerHandlers.set(tool.name, handler);
    if (tool.config.runs === "worker") return;
    const first = this.#handlers.size === 0;
    this.#handlers.set(tool.name, handler);
    const { worker = {}, leaseMs, heartbeatMs } = this.#options;
    if (!first || worker === false || this.#closed) return;
    const options = { concurrency: TAKEOVER_CONCURRENCY, takeoverOnly: true, keepAlive: false, leaseMs, heartbeatMs };
    this.#workers.add(startWorker(this.#shared.store, this.#handlers, { ...options, ...worker }));
  }

  /** Has the tools registered. */
  #meet(factory: McpServerFactory): void {
    Promise.resolve()
      .then(() => factory({ era: "modern" }))
      .then((server) => server.close())
      .catch((error: Error) => this.#shared.onError(error));
  }
}
