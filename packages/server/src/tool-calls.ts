import { generateTaskId, isTaskStoreError, type Request, type Task, type TaskContext } from "@mcp-task-store/core";
import {
  type CallToolRequest,
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  type InputRequiredResult,
  isInputRequiredResult,
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type Result,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { declaredCapabilities, declaresTasks, isModern, missingTasksCapability } from "./callers.ts";
import type { Connection } from "./connection.ts";
import { EarlyRun } from "./early-run.ts";
import type { Context, CreateOptions, TaskMode } from "./options.ts";
import type { Shared } from "./shared.ts";
import { asBegun, askingClient, endOf, isRpcError, readArguments, runnerOf, type TaskTool } from "./tools.ts";
import { asProtocolError, extensionTask, toolError } from "./wire.ts";

type Handler = (request: CallToolRequest, ctx: ServerContext) => Promise<CallToolResult | InputRequiredResult>;

/** A call while it is handled. */
interface Call {
  readonly request: CallToolRequest;
  /** What `prepare` left, for a handler that runs at once. */
  context?: Context | undefined;
  /** What the client is sent instead of what the tool returned. */
  instead?: { task: Task } | { error: unknown };
}

/** A call that may become a task: what its handler is to find, or what the client is asked first. */
type Prepared = { context: Context | undefined } | { question: InputRequiredResult };

/** By the context that the tool's callback is given. */
const CALLS = new WeakMap<ServerContext, { calls: ToolCalls; call: Call }>();

/** `tools/call` of one server: decides which calls become tasks, and makes and starts them. */
export class ToolCalls {
  readonly #shared: Shared;
  readonly #mcp: McpServer;
  readonly #connection: Connection;
  readonly #tools = new Map<string, TaskTool>();

  constructor(shared: Shared, mcp: McpServer, connection: Connection) {
    this.#shared = shared;
    this.#mcp = mcp;
    this.#connection = connection;
  }

  add(tool: TaskTool): void {
    this.#tools.set(tool.name, tool);
  }

  /** Around the handler of `McpServer`, which turns errors of tools into results and knows no tasks. */
  wrap(inner: Handler): Handler {
    return async (request, ctx) => {
      const call: Call = { request };
      CALLS.set(ctx, { calls: this, call });
      const made = await this.#asTask(call, ctx);
      if (made) return made as CallToolResult;
      const result = await inner(request, ctx);
      if (!call.instead) return result;
      if ("error" in call.instead) throw call.instead.error;
      return this.#created(call.instead.task, ctx) as CallToolResult;
    };
  }

  /** The call's task, its result if it was quick, or what to ask first; `undefined` where `McpServer` is to answer. */
  async #asTask(call: Call, ctx: ServerContext): Promise<Result | undefined> {
    const { request } = call;
    const wanted = !isModern(ctx) && request.params.task !== undefined;
    const tool = this.#tools.get(request.params.name);
    if (!tool?.registered.enabled) return undefined;
    const read = await readArguments(tool.config.inputSchema, request.params.arguments);
    if ("issue" in read) return undefined;
    let prepared: Prepared | undefined;
    try {
      prepared = await this.#prepare(tool, read.args, wanted, request, ctx);
    } catch (error) {
      // An error of the tool is a result, but none for a client that is to get a task.
      if (wanted || isRpcError(error) || isTaskStoreError(error)) throw error;
      return toolError(error);
    }
    if (!prepared || "question" in prepared) return prepared?.question;
    return this.#start(tool, read.args, prepared.context, call, ctx);
  }

  /** `undefined` where the call is to be answered at once. */
  async #prepare(
    { config, handler }: TaskTool,
    args: unknown,
    wanted: boolean,
    request: CallToolRequest,
    ctx: ServerContext,
  ): Promise<Prepared | undefined> {
    const mode: TaskMode =
      typeof config.task === "function" ? await config.task(args as never, ctx) : (config.task ?? "optional");
    const able = isModern(ctx) ? declaresTasks(declaredCapabilities(ctx)) : wanted;
    if (mode === "never" || !able) {
      if (mode === "required") throw isModern(ctx) ? missingTasksCapability() : this.#refuseCall(request);
      if (wanted) throw this.#refuseTask(request);
      if (handler && config.runs !== "worker") return undefined;
      throw isModern(ctx) ? missingTasksCapability() : this.#refuseCall(request);
    }
    const context = await config.prepare?.(args as never, ctx);
    if (!isInputRequiredResult(context)) return { context };
    // The SDK would answer with a result, and this client takes nothing but a task.
    if (wanted && !this.#mcp.server.getClientCapabilities())
      throw new ProtocolError(
        ProtocolErrorCode.InvalidRequest,
        `Tool ${request.params.name} asks before it makes a task, which needs a session`,
      );
    return { question: context };
  }

  async #start(
    tool: TaskTool,
    args: unknown,
    context: Context | undefined,
    { request }: Call,
    ctx: ServerContext,
  ): Promise<Result> {
    const { config, handler } = tool;
    const taskId = generateTaskId();
    const here = handler !== undefined && config.runs !== "worker";
    if (!here || config.answerWithinMs === undefined || !isModern(ctx)) {
      const task = await this.#create(request, ctx, {
        taskId,
        context,
        ...ttlOf(tool, request),
        claimAfterMs: here ? undefined : 0,
      });
      if (here) this.#shared.runs.start(tool, taskId, runnerOf({ ...tool, handler }));
      return this.#created(task, ctx);
    }
    const early = new EarlyRun(taskId, this.#requestOf(request, ctx), context, (task) =>
      endOf(tool, task.signal, () => handler(args as never, askingClient(task, config.inputTimeoutMs))),
    );
    const result = await early.within(config.answerWithinMs, ctx.mcpReq.signal);
    if (result) return this.#mcp.server.projectCallToolResult(result, tool.registered.outputSchemaJson);
    // Nobody would learn of the task.
    ctx.mcpReq.signal.throwIfAborted();
    try {
      const task = await this.#create(request, ctx, { taskId, context, ...ttlOf(tool, request) }, asBegun);
      this.#shared.runs.start(tool, taskId, early.asTask, true);
      return this.#created(task, ctx);
    } catch (error) {
      early.abandon(error);
      throw error;
    }
  }

  /** What `McpServer` calls for a tool of ours: the call is answered at once. */
  async atOnce(tool: TaskTool, args: unknown, ctx: ServerContext): Promise<CallToolResult | InputRequiredResult> {
    const call = CALLS.get(ctx)?.call;
    const { config, handler } = tool;
    if (!call || !handler) throw new Error(`Tool ${tool.name} cannot be called without a task`);
    try {
      const context = await config.prepare?.(args as never, ctx);
      if (isInputRequiredResult(context)) return context;
      return await handler(args as never, this.#withoutTask(call.request, context, ctx));
    } catch (error) {
      if (isRpcError(error)) call.instead = { error };
      throw error;
    }
  }

  /** For a tool that is not ours: makes a task of the call whose context this is. */
  static create(ctx: ServerContext, options: CreateOptions): Promise<Task> {
    const found = CALLS.get(ctx);
    if (!found)
      throw new TypeError(
        "tasks.create needs the context of a tool call, on a server that the extension is attached to",
      );
    return found.calls.#createFor(found.call, ctx, options);
  }

  async #createFor(call: Call, ctx: ServerContext, options: CreateOptions): Promise<Task> {
    const { request } = call;
    try {
      if (isModern(ctx) && !declaresTasks(declaredCapabilities(ctx))) throw missingTasksCapability();
      if (!isModern(ctx) && request.params.task === undefined) throw this.#refuseCall(request);
      const ttl = options.ttl === undefined ? request.params.task?.ttl : options.ttl;
      const task = await this.#create(request, ctx, { claimAfterMs: 0, ...options, ttl });
      call.instead = { task };
      return task;
    } catch (error) {
      call.instead = { error };
      throw error;
    }
  }

  async #create(
    request: CallToolRequest,
    ctx: ServerContext,
    options: CreateOptions,
    mark = (stored: Request) => stored,
  ): Promise<Task> {
    try {
      const owner = this.#shared.ownerOf(ctx);
      return await this.#shared.store.createTask(options, ctx.mcpReq.id, mark(this.#requestOf(request, ctx)), {
        owner,
      });
    } catch (error) {
      throw asProtocolError(error);
    }
  }

  /** @see SEP-2663, `CreateTaskResult`; MCP 2025-11-25, Tasks, "Creating Tasks" */
  #created(task: Task, ctx: ServerContext): Result {
    // `content` is what the SDK asks of a tool's result; the connection takes it away.
    if (isModern(ctx)) return { resultType: "task", ...extensionTask(task), content: [] };
    this.#connection.follow(task, ctx);
    return { task, content: [] };
  }

  /** The request as the runner needs it, with what its client declared, where the protocol has it. */
  #requestOf({ params }: CallToolRequest, ctx: ServerContext): Request {
    const { task: _, _meta, ...call } = params;
    const capabilities = isModern(ctx) ? declaredCapabilities(ctx) : this.#mcp.server.getClientCapabilities();
    const meta = { ..._meta, ...(capabilities && { [CLIENT_CAPABILITIES_META_KEY]: capabilities }) };
    return { method: "tools/call", params: { ...call, _meta: meta } };
  }

  #withoutTask(request: CallToolRequest, context: Context | undefined, ctx: ServerContext): TaskContext {
    const { signal, _meta } = ctx.mcpReq;
    const token = _meta?.progressToken;
    let progress = 0;
    const refuse = (): never => {
      throw new Error("A call of 2026-07-28 that is no task cannot ask: make the tool a task, or ask in `prepare`");
    };
    return {
      taskId: generateTaskId(),
      request: this.#requestOf(request, ctx),
      context,
      attempt: 1,
      checkpoint: undefined,
      signal,
      progress: async (message) => {
        if (signal.aborted) return false;
        progress += 1;
        const params = { progressToken: token as string, progress, message };
        if (token !== undefined) await ctx.mcpReq.notify({ method: "notifications/progress", params });
        return true;
      },
      elicit: async (params, options) =>
        isModern(ctx) ? refuse() : ctx.mcpReq.elicitInput(params as never, { signal, ...timeoutOf(options) }),
      sample: async (params, options) =>
        isModern(ctx)
          ? refuse()
          : (ctx.mcpReq.requestSampling(params as never, { signal, ...timeoutOf(options) }) as never),
    };
  }

  /** @see MCP 2025-11-25, Tasks, "Tool-Level Negotiation" */
  #refuseCall({ params }: CallToolRequest): ProtocolError {
    return new ProtocolError(ProtocolErrorCode.MethodNotFound, `Tool ${params.name} must be called as a task`);
  }

  #refuseTask({ params }: CallToolRequest): ProtocolError {
    return new ProtocolError(ProtocolErrorCode.MethodNotFound, `Tool ${params.name} cannot be called as a task`);
  }
}

function ttlOf({ config }: TaskTool, request: CallToolRequest): Pick<CreateOptions, "ttl" | "pollInterval"> {
  return { ttl: request.params.task?.ttl ?? config.ttl, pollInterval: config.pollInterval };
}

function timeoutOf(options: { timeoutMs?: number | undefined } | undefined): { timeout?: number } {
  return options?.timeoutMs === undefined ? {} : { timeout: options.timeoutMs };
}
