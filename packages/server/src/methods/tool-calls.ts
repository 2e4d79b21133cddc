import {
  type CreatedTask,
  generateTaskId,
  isTaskStoreError,
  type Request,
  type Task,
  type TaskStoreError,
} from "@mcp-task-store/core";
import {
  type CallToolRequest,
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  type InputRequiredResult,
  isInputRequiredResult,
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type RegisteredTool,
  type Result,
  type ServerContext,
} from "@modelcontextprotocol/server";
import type { ExtensionContext } from "../extension-context.ts";
import type { Context, CreateOptions, TaskMode, WithoutTasks } from "../options.ts";
import { declaredCapabilities, declaresTasks, isModern, missingTasksCapability } from "../protocol/callers.ts";
import { ANSWERS_FORMS, type FallbackNames, ticketOf } from "../protocol/plain-answers.ts";
import { asProtocolError, extensionTask, isRpcError, rpcError, toolError, withJson } from "../protocol/wire.ts";
import { type AnyTaskToolConfig, readArguments, type TaskTool } from "../running/task-tool.ts";
import { asBegun, type ToolRunner } from "../running/tool-runner.ts";
import type { ToolCallHandler } from "../sdk-seams.ts";
import type { LegacyConnection } from "../transports/legacy-connection.ts";
import { withoutTask } from "./direct-call.ts";
import { throughWorker } from "./worker-call.ts";

/** A tool as one server serves it. */
export interface ServedTool extends TaskTool {
  /** `undefined` if only workers elsewhere can run the tool. */
  readonly runner: ToolRunner | undefined;
  /** The SDK's own entry. */
  readonly registered: RegisteredTool;
}

/** A call while it is handled. */
interface Call {
  readonly request: CallToolRequest;
  /** The client knows no tasks: it gets an answer that names the task. */
  plain?: boolean;
  /** The answer to the client in place of the tool's result. */
  instead?: { task: Task } | { error: unknown };
}

/**
 * A call that `McpServer` does not answer: the context for its handler, and whether the client
 * waits for the result instead of a task; or the question to the client.
 */
type Prepared =
  | { context: Context | undefined; dedupeKey: string | undefined; atOnce: boolean }
  | { question: InputRequiredResult };

/** By the context that the tool's callback gets. */
const CALLS = new WeakMap<ServerContext, { calls: ToolCalls; call: Call }>();

/** `tools/call` of one server: decides which calls become tasks, and makes and starts these. */
export class ToolCalls {
  readonly #extension: ExtensionContext;
  readonly #mcp: McpServer;
  readonly #connection: LegacyConnection;
  readonly #tools = new Map<string, ServedTool>();
  /** The tools of this server for clients that know no tasks, if it has them. */
  fallback: FallbackNames | undefined;

  constructor(extension: ExtensionContext, mcp: McpServer, connection: LegacyConnection) {
    this.#extension = extension;
    this.#mcp = mcp;
    this.#connection = connection;
  }

  add(tool: ServedTool): void {
    this.#tools.set(tool.name, tool);
  }

  /**
   * Wraps the handler of `McpServer`, which turns errors of tools into results and knows no tasks.
   */
  wrap(inner: ToolCallHandler): ToolCallHandler {
    return async (request, ctx) => {
      const free = this.#place(ctx);
      try {
        const call: Call = { request };
        CALLS.set(ctx, { calls: this, call });
        const answer = await this.#handle(call, ctx);
        if (answer) return answer as CallToolResult;
        const result = await inner(request, ctx);
        if (!call.instead) return result;
        if ("error" in call.instead) throw rpcError(call.instead.error);
        return this.#created(call.instead.task, call, ctx) as CallToolResult;
      } finally {
        free();
      }
    };
  }

  /** @throws ProtocolError -32000 at the limit of calls */
  #place(ctx: ServerContext): () => void {
    try {
      return this.#extension.calls.take(this.#extension.countedAs(ctx));
    } catch (error) {
      throw asProtocolError(error);
    }
  }

  /**
   * The call's task, its result if that came early, or the question to the client; `undefined`
   * where `McpServer` answers.
   */
  async #handle(call: Call, ctx: ServerContext): Promise<Result | undefined> {
    const { request } = call;
    const wanted = !isModern(ctx) && request.params.task !== undefined;
    const tool = this.#tools.get(request.params.name);
    if (!tool?.registered.enabled) return undefined;
    const read = await readArguments(tool.config.inputSchema, request.params.arguments);
    if ("issue" in read) return undefined;
    let prepared: Prepared | undefined;
    try {
      prepared = await this.#prepare(tool, read.args, wanted, call, ctx);
    } catch (error) {
      // An error of the tool is a result, but not for a client that asked for a task.
      if (isTaskStoreError(error)) throw error;
      if (wanted || isRpcError(error)) throw rpcError(error);
      return toolError(error);
    }
    if (!prepared || "question" in prepared) return prepared?.question;
    const { atOnce, ...made } = prepared;
    if (!atOnce) return this.#start(tool, read.args, made, call, ctx);
    const create = () => this.#create(call, ctx, { ...made, ...timesOf(tool, request), claimAfterMs: 0 });
    return this.#project(await throughWorker(this.#extension, this.#connection, ctx, create), tool);
  }

  /** `undefined` where the call is answered at once, in this process. */
  async #prepare(
    tool: ServedTool,
    args: unknown,
    wanted: boolean,
    call: Call,
    ctx: ServerContext,
  ): Promise<Prepared | undefined> {
    const { config } = tool;
    const { request } = call;
    const mode: TaskMode =
      typeof config.task === "function" ? await config.task(args as never, ctx) : (config.task ?? "optional");
    const able = isModern(ctx) ? declaresTasks(declaredCapabilities(ctx)) : wanted;
    const instead = able || mode === "never" ? undefined : this.#withoutTasks(tool, mode);
    if (instead === "refuse") throw this.#needsTask(request, ctx);
    call.plain = instead === "tools";
    const atOnce = mode === "never" || instead === "inline";
    if (atOnce) {
      if (wanted) throw this.#refuseTask(request);
      if (runnerHere(tool)) return undefined;
    }
    const context = await prepare(config, args, ctx);
    if (!isInputRequiredResult(context))
      return { context, dedupeKey: await config.dedupe?.(args as never, ctx), atOnce };
    // The SDK would answer with a result, and this client takes nothing but a task.
    if (wanted && !this.#mcp.server.getClientCapabilities())
      throw new ProtocolError(
        ProtocolErrorCode.InvalidRequest,
        `Tool ${request.params.name} asks a question before it makes a task: connect with a session`,
      );
    return { question: context };
  }

  #withoutTasks({ config }: ServedTool, mode: TaskMode): WithoutTasks {
    return config.withoutTasks ?? this.#extension.withoutTasks ?? (mode === "required" ? "refuse" : "inline");
  }

  async #start(
    tool: ServedTool,
    args: unknown,
    { context, dedupeKey }: Pick<CreateOptions, "context" | "dedupeKey">,
    call: Call,
    ctx: ServerContext,
  ): Promise<Result> {
    const { answerWithinMs, retry } = tool.config;
    const runner = runnerHere(tool);
    const times = timesOf(tool, call.request);
    // A client of 2025-11-25 that asked for a task takes nothing else.
    const mayBeEarly = dedupeKey === undefined && !retry && (isModern(ctx) || call.plain);
    if (!runner || answerWithinMs === undefined || !mayBeEarly) {
      const options = { context, dedupeKey, ...times, claimAfterMs: runner ? undefined : 0 };
      const task = await this.#create(call, ctx, options);
      // The server that made the task of this key may have died before it ran it. A task that runs
      // or has ended is left alone.
      runner?.start(task.taskId);
      return this.#created(task, call, ctx);
    }
    const taskId = generateTaskId();
    const options = { taskId, context, ...times };
    const early = runner.startEarly(args, { taskId, request: this.#requestOf(call, ctx), context });
    const result = await early.within(answerWithinMs, ctx.mcpReq.signal).catch((error: unknown) => {
      throw isRpcError(error) ? rpcError(error) : error;
    });
    if (result) return this.#project(withJson(result, "result"), tool);
    // If the client has left, it would not learn of the task.
    ctx.mcpReq.signal.throwIfAborted();
    try {
      const task = await this.#create(call, ctx, options, asBegun);
      runner.continue(taskId, early);
      return this.#created(task, call, ctx);
    } catch (error) {
      early.abandon(error);
      throw error;
    }
  }

  /** Answers a call at once. `McpServer` calls this for a tool of the extension. */
  async atOnce(
    { name, config, runner, registered }: ServedTool,
    args: unknown,
    ctx: ServerContext,
  ): Promise<CallToolResult | InputRequiredResult> {
    const call = CALLS.get(ctx)?.call;
    if (!call || !runner) throw new Error(`Tool ${name} cannot be called without a task`);
    try {
      const context = await prepare(config, args, ctx);
      if (isInputRequiredResult(context)) return context;
      const request = this.#requestOf(call, ctx);
      const result = await runner.answer(args, withoutTask({ request, context }, ctx));
      // `McpServer` checks the result of a tool that it lists with an output schema.
      return registered.outputSchema ? result : await runner.checked(result);
    } catch (error) {
      if (isRpcError(error)) call.instead = { error };
      return toolError(error);
    }
  }

  /** For a tool that is not the extension's: makes a task of the call whose context this is. */
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
      const able = isModern(ctx) ? declaresTasks(declaredCapabilities(ctx)) : request.params.task !== undefined;
      if (!able && !(this.fallback && this.#extension.withoutTasks === "tools")) throw this.#needsTask(request, ctx);
      call.plain = !able;
      const ttl = options.ttl === undefined ? request.params.task?.ttl : options.ttl;
      const task = await this.#create(call, ctx, { claimAfterMs: 0, ...options, ttl });
      call.instead = { task };
      return task;
    } catch (error) {
      call.instead = { error };
      throw error;
    }
  }

  async #create(
    call: Call,
    ctx: ServerContext,
    options: CreateOptions,
    mark = (stored: Request) => stored,
  ): Promise<Task> {
    const { store } = this.#extension;
    try {
      const owner = this.#extension.ownerOf(ctx);
      return await store.createTask(options, ctx.mcpReq.id, mark(this.#requestOf(call, ctx)), { owner });
    } catch (error) {
      // Otherwise a client that repeats the call may get two tasks.
      if ((error as TaskStoreError).write !== "unknown" || options.dedupeKey !== undefined)
        this.#extension.noteFailure(ctx, error);
      throw asProtocolError(error);
    }
  }

  /** @see SEP-2663, `CreateTaskResult`; MCP 2025-11-25, Tasks, "Creating Tasks" */
  #created({ created: _, ...task }: Task & Partial<CreatedTask>, { plain }: Call, ctx: ServerContext): Result {
    if (plain && this.fallback) return ticketOf({ task }, this.fallback);
    // The SDK requires `content` in a tool's result. The connection removes it.
    if (isModern(ctx)) return { resultType: "task", ...extensionTask(task), content: [] };
    this.#connection.follow(task, ctx);
    return { task, content: [] };
  }

  /** The result as the SDK shows it to clients of this generation. */
  #project(result: Result, { registered }: ServedTool): Result {
    return this.#mcp.server.projectCallToolResult(result as CallToolResult, registered.outputSchemaJson);
  }

  /**
   * The request for the runner, with the capabilities of its client in the place that the protocol
   * has.
   */
  #requestOf({ request, plain }: Call, ctx: ServerContext): Request {
    const { task: _, _meta, ...params } = request.params;
    const declared = isModern(ctx) ? declaredCapabilities(ctx) : this.#mcp.server.getClientCapabilities();
    const capabilities = plain ? ANSWERS_FORMS : declared;
    const meta = { ..._meta, ...(capabilities && { [CLIENT_CAPABILITIES_META_KEY]: capabilities }) };
    return { method: "tools/call", params: { ...params, _meta: meta } };
  }

  /** @see MCP 2025-11-25, Tasks, "Tool-Level Negotiation" */
  #needsTask({ params }: CallToolRequest, ctx: ServerContext): ProtocolError {
    if (isModern(ctx)) return missingTasksCapability(`Tool ${params.name}`);
    return new ProtocolError(ProtocolErrorCode.MethodNotFound, `Tool ${params.name} must be called as a task`);
  }

  #refuseTask({ params }: CallToolRequest): ProtocolError {
    return new ProtocolError(ProtocolErrorCode.MethodNotFound, `Tool ${params.name} cannot be called as a task`);
  }
}

/** The runner of a tool whose calls run here at once, and not in a worker. */
function runnerHere({ config, runner }: ServedTool): ToolRunner | undefined {
  return config.runs === "worker" || config.concurrency !== undefined ? undefined : runner;
}

/** Calls `prepare`. Its value has to be JSON even if the call does not become a task. */
async function prepare(config: AnyTaskToolConfig, args: unknown, ctx: ServerContext) {
  return withJson(await config.prepare?.(args as never, ctx), "context");
}

function timesOf({ config, pace }: TaskTool, request: CallToolRequest): Pick<CreateOptions, "ttl" | "pollInterval"> {
  const pollInterval = config.pollInterval === "auto" ? pace.pollInterval : config.pollInterval;
  return { ttl: request.params.task?.ttl ?? config.ttl, pollInterval };
}
