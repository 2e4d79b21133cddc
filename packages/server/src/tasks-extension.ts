import {
  type DrainOptions,
  type DrainOutcome,
  drain,
  type HandlerWithOptions,
  startWorker,
  TaskStoreError,
  type TaskWorker,
  type WorkerOptions,
} from "@mcp-task-store/core";
import {
  type Context as AsyncContext,
  checkOptions,
  checks,
  keptAlive,
  onAbort,
  presentContext,
} from "@mcp-task-store/core/backend";
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
import { ExtensionContext } from "./extension-context.ts";
import { FallbackTools } from "./methods/fallback-tools.ts";
import { declareSupport, listingOf } from "./methods/listing.ts";
import { TaskMethods } from "./methods/task-methods.ts";
import { type ServedTool, ToolCalls } from "./methods/tool-calls.ts";
import {
  CREATE_OPTIONS,
  checkExtension,
  checkFallback,
  checkTool,
  FALLBACK_OPTIONS,
  refuseLimit,
} from "./option-checks.ts";
import type {
  Context,
  CreatedTask,
  CreateOptions,
  FallbackToolsOptions,
  OpenNow,
  TasksExtensionOptions,
  TaskToolConfig,
  TaskToolHandler,
} from "./options.ts";
import { TASKS_EXTENSION_ID } from "./protocol/wire.ts";
import { Pace } from "./running/pace.ts";
import { Runs } from "./running/runs.ts";
import type { AnyTaskToolConfig, AnyTaskToolHandler } from "./running/task-tool.ts";
import { ToolRunner } from "./running/tool-runner.ts";
import { assertNoTools, isServable, otherCopy, tapConnections, UNLIMITED, wrapToolCalls } from "./sdk-seams.ts";
import { handlerWithTasks } from "./transports/http.ts";
import { LegacyConnection } from "./transports/legacy-connection.ts";
import type { RequestLimits } from "./transports/read-body.ts";
import { TasksTransport } from "./transports/stdio.ts";

const METHODS = ["tasks/get", "tasks/update", "tasks/cancel", "tasks/result", "tasks/list"] as const;

/** The SDK's options, without its limit of subscriptions: the extension has limits of its own. */
type HandlerOptions = Omit<CreateMcpHandlerOptions, "maxSubscriptions"> & RequestLimits;
type StdioOptions = Omit<ServeStdioOptions, "maxSubscriptions">;

/** Tasks that each of a server's own workers runs at once, by default. */
const OWN_CONCURRENCY = 10;

/**
 * The MCP Tasks extension (SEP-2663, for clients of 2026-07-28), and the tasks of 2025-11-25, on a
 * durable store. One instance serves any number of servers: attach it to each, before its tools are
 * registered.
 */
export class TasksExtension implements AsyncDisposable {
  readonly id = TASKS_EXTENSION_ID;
  readonly #options: TasksExtensionOptions;
  readonly #extension: ExtensionContext;
  readonly #runs: Runs;
  /**
   * The context in which the extension was made. The worker that takes over must not run in the
   * context of the request that happened to register the first tool, nor `drain` in that of the
   * request after which it is called.
   */
  readonly #inContext: AsyncContext = presentContext();
  readonly #servers = new WeakMap<McpServer, ToolCalls>();
  /** By tool name: what this process takes over from lost servers. */
  readonly #handlers = new Map<string, HandlerWithOptions>();
  /** By tool name: what this process runs under limits, from new tasks on. */
  readonly #limited = new Map<string, HandlerWithOptions>();
  /** By tool name: what this process runs as a worker. */
  readonly #workerHandlers = new Map<string, HandlerWithOptions>();
  readonly #workers = new Set<TaskWorker>();
  /** Calls of `drain` that are under way. */
  readonly #draining = new Set<Promise<DrainOutcome>>();
  /** The handlers for which a worker of this process was started. */
  readonly #served = new Set<ReadonlyMap<string, HandlerWithOptions>>();
  /**
   * By tool name. A server that is made for one request finds the pace that others have measured.
   */
  readonly #paces = new Map<string, Pace>();

  /**
   * @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or an invalid value
   */
  constructor(options: TasksExtensionOptions) {
    checkExtension(options);
    const { leaseMs, heartbeatMs } = options;
    this.#options = options;
    this.#extension = new ExtensionContext(options);
    this.#runs = new Runs(options.store, { leaseMs, heartbeatMs }, this.#extension.onError);
  }

  /**
   * Serves tasks on `server`: registers the methods and capabilities of both generations, and makes
   * tasks of calls. Calling it again for the same server does nothing.
   * @throws Error if the server already has a tool, or already handles a method of tasks
   */
  attach(server: McpServer): void {
    if (this.#servers.has(server)) return;
    const { server: protocol } = server;
    for (const method of METHODS) protocol.assertCanSetRequestHandler(method);
    assertNoTools(server);
    protocol.registerCapabilities({
      extensions: { [TASKS_EXTENSION_ID]: {} },
      tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
    });
    const connection = new LegacyConnection(this.#extension, server);
    const calls = new ToolCalls(this.#extension, server, connection);
    tapConnections(server, connection);
    wrapToolCalls(server, (inner) => calls.wrap(inner));
    new TaskMethods(this.#extension, server, connection).serve();
    this.#servers.set(server, calls);
  }

  /**
   * Registers a tool whose calls may become tasks, in place of `server.registerTool`. Attaches the
   * extension first if needed. The last registration of a name in this process says how the tasks
   * of that name run.
   * @param handler Optional if `runs` is `worker`: another process may have it.
   * @throws Error as `attach` and `server.registerTool` do; TaskStoreError `INVALID_ARGUMENT` for
   * an invalid config, or if the config needs a handler and there is none
   * @example
   * const config = { inputSchema, task: "required" } as const;
   * tasks.registerTool(server, "render", config, async ({ frames }, task) => {
   *   for (let done = Number(task.checkpoint ?? 0); done < frames; done += 1) {
   *     await task.progress(`${done + 1} of ${frames}`, done + 1);
   *   }
   *   return { content: [{ type: "text", text: "rendered" }] };
   * });
   */
  registerTool<
    Input extends StandardSchemaWithJSON | undefined = undefined,
    Output extends StandardSchemaWithJSON | undefined = undefined,
    Prepared extends object | undefined = Context | undefined,
  >(
    server: McpServer,
    name: string,
    config: TaskToolConfig<Input, Output, Prepared> & { runs: "worker" },
    handler?: TaskToolHandler<Input, Prepared>,
  ): RegisteredTool;
  registerTool<
    Input extends StandardSchemaWithJSON | undefined = undefined,
    Output extends StandardSchemaWithJSON | undefined = undefined,
    Prepared extends object | undefined = Context | undefined,
  >(
    server: McpServer,
    name: string,
    config: TaskToolConfig<Input, Output, Prepared>,
    handler: TaskToolHandler<Input, Prepared>,
  ): RegisteredTool;
  registerTool<
    Input extends StandardSchemaWithJSON | undefined,
    Output extends StandardSchemaWithJSON | undefined,
    Prepared extends object | undefined,
  >(
    server: McpServer,
    name: string,
    config: TaskToolConfig<Input, Output, Prepared>,
    handler?: TaskToolHandler<Input, Prepared>,
  ): RegisteredTool {
    checkTool(name, config as AnyTaskToolConfig, handler, this.#options.worker);
    this.attach(server);
    const calls = this.#servers.get(server) as ToolCalls;
    const withoutTasks = config.task === "never" ? undefined : (config.withoutTasks ?? this.#extension.withoutTasks);
    checkFallback(name, withoutTasks, calls.fallback);
    const atOnce = (args: unknown, ctx: ServerContext) => calls.atOnce(tool, args, ctx);
    const callback = config.inputSchema ? atOnce : (ctx: ServerContext) => atOnce(undefined, ctx);
    const registered = server.registerTool(
      name,
      listingOf(config, withoutTasks) as { inputSchema: StandardSchemaWithJSON },
      callback as typeof atOnce,
    );
    const pace = this.#paces.get(name) ?? new Pace();
    this.#paces.set(name, pace);
    const runner = handler && new ToolRunner({ name, config, pace }, handler as AnyTaskToolHandler, this.#runs);
    const tool: ServedTool = { name, config, pace, runner, registered };
    calls.add(tool);
    declareSupport(registered, config, withoutTasks);
    if (runner) this.#learn(name, runner, config as AnyTaskToolConfig);
    return registered;
  }

  /**
   * Registers tools with which clients that know no tasks follow them: `task_status`,
   * `task_result`, `task_cancel` and `task_answer`. A call sees only the tasks of its caller.
   * Attaches the extension first if needed. Tools with `withoutTasks: "tools"` need them.
   * @throws Error as `attach` does, and if the server has a tool of one of the names;
   * TaskStoreError `INVALID_ARGUMENT` for an unknown option or an invalid value
   * @example
   * tasks.registerFallbackTools(server);
   * const config = { inputSchema, task: "required", withoutTasks: "tools" } as const;
   * tasks.registerTool(server, "render", config, render);
   */
  registerFallbackTools(
    server: McpServer,
    options: FallbackToolsOptions = {},
  ): Record<"status" | "result" | "cancel" | "answer", RegisteredTool> {
    checkOptions("registerFallbackTools", options, FALLBACK_OPTIONS);
    this.attach(server);
    const tools = new FallbackTools(this.#extension, server, options);
    const registered = tools.register();
    (this.#servers.get(server) as ToolCalls).fallback = tools.names;
    return registered;
  }

  /**
   * Makes a task of a call, inside the callback of a tool of `server.registerTool`. Any worker that
   * knows the tool's name may run the task. The task is stored when the promise resolves. Return
   * the resolved value from the callback.
   * @throws ProtocolError, which becomes the JSON-RPC error of the call: -32021 or -32601 if the
   * client cannot have a task here, -32000 at a limit, -32602 for arguments that are too large
   * @example
   * server.registerTool("render", { inputSchema }, (args, ctx) =>
   *   tasks.create(ctx, { ttl: 60_000 }),
   * );
   */
  async create(ctx: ServerContext, options: CreateOptions = {}): Promise<CreatedTask> {
    checkOptions("tasks.create", options, CREATE_OPTIONS);
    const { taskId } = await ToolCalls.create(ctx, options);
    return { taskId, content: [] };
  }

  /**
   * The SDK's `createMcpHandler`, with `notifications/tasks` on `subscriptions/listen` for changes
   * that any process makes. Calls the factory once at the start, so that this process can take over
   * tasks of lost servers before its first request.
   * @throws TaskStoreError `INVALID_ARGUMENT` for `maxSubscriptions`, which is an option of the
   * extension
   * @example
   * const handler = tasks.createMcpHandler(() => createServer());
   * http.createServer(toNodeHandler(handler)).listen(3000, "127.0.0.1");
   */
  createMcpHandler(factory: McpServerFactory, options: HandlerOptions = {}): McpHttpHandler {
    refuseLimit(options);
    this.#meet(factory);
    return handlerWithTasks(this.#extension, factory, options, this.#maxTasks);
  }

  /**
   * The SDK's `serveStdio`, with the same additions as `createMcpHandler`.
   * @throws TaskStoreError as `createMcpHandler` does
   */
  serveStdio(factory: McpServerFactory, options: StdioOptions = {}): StdioServerHandle {
    refuseLimit(options);
    this.#meet(factory);
    const transport = new TasksTransport(
      options.transport ?? new StdioServerTransport(),
      this.#extension,
      this.#maxTasks,
    );
    return serveStdio(factory, { ...options, transport, ...UNLIMITED });
  }

  /**
   * Makes this process a worker. It claims and runs the tasks of all tools that were registered
   * here, also those with `runs: "worker"`, as soon as they are made. See `startWorker` of core.
   * @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or an invalid value
   */
  startWorker(options: WorkerOptions = {}): TaskWorker {
    const { leaseMs, heartbeatMs } = this.#options;
    const worker = startWorker(this.#extension.store, this.#workerHandlers, { leaseMs, heartbeatMs, ...options });
    this.#workers.add(worker);
    return worker;
  }

  /**
   * Claims and runs the tasks of all tools that were registered here, until none is left or `maxMs`
   * have passed. Tasks under way are then given back. For places without a process that stays:
   * cron, `waitUntil`, Lambda. Give such tools `runs: "worker"`, and the extension `worker: false`.
   * The runs have the `AsyncLocalStorage` context in which the extension was made. See `drain` of
   * core.
   * @throws TaskStoreError `INVALID_ARGUMENT` if no tool was registered here, for an unknown option
   * or an invalid value; the store's error if a claim fails
   * @example
   * // Vercel, Next.js: after the answer of a request, and in a cron job's route.
   * after(() => tasks.drain({ maxMs: 50_000 }));
   */
  async drain(options: DrainOptions = {}): Promise<DrainOutcome> {
    if (this.#workerHandlers.size === 0)
      throw new TaskStoreError(
        "INVALID_ARGUMENT",
        "tasks.drain knows no tool: register the tools on a server in this process first",
      );
    checkOptions("tasks.drain", { signal: options.signal }, { signal: checks.signal });
    const { leaseMs, heartbeatMs } = this.#options;
    const stop = new AbortController();
    const { signal } = stop;
    const forgetClose = this.#extension.onClose(() =>
      stop.abort(new DOMException("The extension is closed", "AbortError")),
    );
    const forgetSignal = onAbort(options.signal, (reason) => stop.abort(reason));
    const ofRuns = { leaseMs, heartbeatMs, ...options, signal };
    // The tasks are those of other callers than the request after which this is called.
    const draining = this.#inContext(() => drain(this.#extension.store, this.#workerHandlers, ofRuns));
    this.#draining.add(draining);
    try {
      return await draining;
    } finally {
      this.#draining.delete(draining);
      forgetClose();
      forgetSignal();
    }
  }

  /** What is open in this process now, of what the extension limits. */
  get open(): OpenNow {
    return this.#extension.open;
  }

  /**
   * Stops the handlers that run here and gives their tasks back, so that other processes go on with
   * them. Tasks of tools with `onLost: "fail"` fail. Resolves when all handlers have settled.
   * Calling it again does nothing.
   */
  async close(): Promise<void> {
    this.#extension.close();
    const workers = [...this.#workers].map((worker) => worker.stop());
    // A claim that failed is the error of the call of `drain`.
    await keptAlive(Promise.all([this.#runs.stop(), ...workers, Promise.allSettled(this.#draining)]));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #maxTasks(): number {
    return this.#options.maxTasksPerSubscription ?? 100;
  }

  #learn(name: string, { forWorkers }: ToolRunner, { runs, concurrency }: AnyTaskToolConfig): void {
    this.#workerHandlers.set(name, forWorkers);
    // The last registration counts.
    for (const handlers of [this.#handlers, this.#limited]) handlers.delete(name);
    if (runs === "worker") return;
    if (concurrency === undefined) this.#serve(this.#handlers, name, forWorkers, true);
    else this.#serve(this.#limited, name, forWorkers, false);
  }

  /** Adds a handler to those of a worker of this process, which the first one starts. */
  #serve(
    handlers: Map<string, HandlerWithOptions>,
    name: string,
    handler: HandlerWithOptions,
    takeoverOnly: boolean,
  ): void {
    handlers.set(name, handler);
    const { worker = {}, leaseMs, heartbeatMs } = this.#options;
    if (this.#served.has(handlers) || worker === false || this.#extension.closed) return;
    this.#served.add(handlers);
    const options = { concurrency: OWN_CONCURRENCY, keepAlive: false, leaseMs, heartbeatMs, ...worker };
    const own = takeoverOnly ? { takeoverOnly, ...options } : { ...options, takeoverOnly };
    this.#workers.add(this.#inContext(() => startWorker(this.#extension.store, handlers, own)));
  }

  /**
   * Calls the factory once, so that its tools are registered, and reports a server that the SDK
   * cannot serve.
   */
  #meet(factory: McpServerFactory): void {
    Promise.resolve()
      .then(() => factory({ era: "modern" }))
      .then((server) => {
        if (!isServable(server)) this.#extension.onError(otherCopy());
        return server.close();
      })
      .catch((error: Error) => this.#extension.onError(error));
  }
}
