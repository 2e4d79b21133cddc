import { isTaskStoreError, JsonRpcError, type Request, type TaskContext, type TaskHandler } from "@mcp-task-store/core";
import {
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  ProtocolError,
  ProtocolErrorCode,
  type RegisteredTool,
  type StandardSchemaV1,
  type StandardSchemaWithJSON,
} from "@modelcontextprotocol/server";
import { ANSWER_ERROR } from "./answers.ts";
import type { TaskToolConfig, TaskToolHandler } from "./options.ts";
import { toolError } from "./wire.ts";

/** In `_meta` of a stored request. */
const BEGUN = "mcp-task-store/begun";

type AnySchema = StandardSchemaWithJSON | undefined;

/** A tool that may run as a task. */
export interface TaskTool {
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: of any schema
  readonly config: TaskToolConfig<any, any>;
  /** `undefined` if only workers elsewhere can run it. */
  // biome-ignore lint/suspicious/noExplicitAny: of any schema
  readonly handler: TaskToolHandler<any> | undefined;
  /** The SDK's own entry, on one server. */
  readonly registered: RegisteredTool;
}

/** The arguments as the handler gets them, or why they are wrong. */
export async function readArguments(schema: AnySchema, given: unknown): Promise<{ args: unknown } | { issue: string }> {
  if (!schema) return { args: given };
  const outcome = await schema["~standard"].validate(given ?? {});
  return outcome.issues ? { issue: outcome.issues.map(textOf).join(", ") } : { args: outcome.value };
}

/** As `McpServer` says it. */
function textOf({ path = [], message }: StandardSchemaV1.Issue): string {
  const place = path.map((step) => String(typeof step === "object" ? step.key : step)).join(".");
  return place === "" ? message : `${place}: ${message}`;
}

/** The result if it is what the tool promises, otherwise the error that `McpServer` makes of it. */
async function checkResult(tool: TaskTool, result: CallToolResult): Promise<CallToolResult> {
  const schema: AnySchema = tool.config.outputSchema;
  if (!schema || result.isError) return result;
  if (result.structuredContent === undefined)
    return toolError(
      `Output validation error: Tool ${tool.name} has an output schema but no structured content was provided`,
    );
  const outcome = await readArguments(schema, result.structuredContent);
  if ("args" in outcome) return result;
  return toolError(`Output validation error: Invalid structured content for tool ${tool.name}: ${outcome.issue}`);
}

/** A JSON-RPC error that the handler means as one; what else it throws is an error of the tool. */
export function isRpcError(error: unknown): error is ProtocolError | JsonRpcError {
  return error instanceof ProtocolError || error instanceof JsonRpcError;
}

/** The work of this call had begun when its task was made: whoever finds it without a runner comes after one that was lost. */
export function asBegun({ params, ...request }: Request): Request {
  return { ...request, params: { ...params, _meta: { ...(params?.["_meta"] as object | undefined), [BEGUN]: true } } };
}

function hasBegun({ params }: Request): boolean {
  return (params?.["_meta"] as Record<string, unknown> | undefined)?.[BEGUN] === true;
}

/**
 * What a runner in any process calls for a task of this tool.
 * @see SEP-2663, "Result Retrieval": `tasks/get` gives what the call would have given
 */
export function runnerOf(tool: TaskTool & { handler: object }): TaskHandler {
  return async (task) => {
    if (tool.config.onLost === "fail" && (task.attempt > 1 || hasBegun(task.request)))
      throw new ProtocolError(ProtocolErrorCode.InternalError, "The server that ran this task was lost");
    const read = await readArguments(tool.config.inputSchema, task.request.params?.["arguments"]);
    if ("issue" in read)
      return toolError(`Input validation error: Invalid arguments for tool ${tool.name}: ${read.issue}`);
    return endOf(tool, task.signal, () => tool.handler(read.args, askingClient(task, tool.config.inputTimeoutMs)));
  };
}

/** The task fails when the work takes longer, whether or not it heeds its signal. */
export function withDeadline(handler: TaskHandler, ms: number | undefined): TaskHandler {
  if (ms === undefined) return handler;
  return async (task) => {
    const late = new ProtocolError(ProtocolErrorCode.InternalError, `The task took longer than its limit of ${ms} ms`);
    const deadline = Promise.withResolvers<never>();
    const abort = new AbortController();
    const timer = setTimeout(() => {
      deadline.reject(late);
      abort.abort(late);
    }, ms);
    try {
      const signal = AbortSignal.any([task.signal, abort.signal]);
      return await Promise.race([handler({ ...task, signal }), deadline.promise]);
    } finally {
      clearTimeout(timer);
    }
  };
}

/** The result of the work, or of what it threw. */
export async function endOf(
  tool: TaskTool,
  signal: AbortSignal,
  work: () => CallToolResult | Promise<CallToolResult>,
): Promise<CallToolResult> {
  try {
    return await checkResult(tool, await work());
  } catch (error) {
    // Aborted work has no result: it was cancelled, or another runner is to go on. A failure of the store is not the tool's.
    if (isRpcError(error) || signal.aborted || isTaskStoreError(error)) throw error;
    return toolError(error);
  }
}

/** The task with questions that only go to clients that said they can answer, and whose answer may be an error. */
export function askingClient(task: TaskContext, timeoutMs?: number): TaskContext {
  const declared = task.request.params?.["_meta"] as
    | { [CLIENT_CAPABILITIES_META_KEY]?: ClientCapabilities }
    | undefined;
  const capabilities = declared?.[CLIENT_CAPABILITIES_META_KEY];
  const ask =
    <Answer>(
      kind: "elicitation" | "sampling",
      question: (...of: Parameters<TaskContext["elicit"]>) => Promise<Answer>,
    ) =>
    async (...[params, options]: Parameters<TaskContext["elicit"]>): Promise<Answer> => {
      if (capabilities && capabilities[kind] === undefined)
        throw new Error(`The client that called this tool did not declare the capability "${kind}"`);
      const answer = await question(params, { timeoutMs, ...options });
      const error = (answer as { [ANSWER_ERROR]?: { code: number; message: string; data?: unknown } })[ANSWER_ERROR];
      if (error) throw new JsonRpcError(error.code, error.message, error.data);
      return answer;
    };
  return {
    ...task,
    elicit: ask("elicitation", task.elicit),
    sample: ask("sampling", task.sample),
  };
}
