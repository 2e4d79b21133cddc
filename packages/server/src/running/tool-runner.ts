import {
  type HandlerOptions,
  type HandlerWithOptions,
  type InputOptions,
  isTaskStoreError,
  JsonRpcError,
  type Request,
  type TaskContext,
  type TaskHandler,
} from "@mcp-task-store/core";
import {
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  ProtocolError,
  ProtocolErrorCode,
} from "@modelcontextprotocol/server";
import { ANSWER_ERROR } from "../protocol/answers.ts";
import { isRpcError, toolError, withJson } from "../protocol/wire.ts";
import { type CallSeed, EarlyRun, SLEPT } from "./early-run.ts";
import type { Runs } from "./runs.ts";
import { type AnyTaskToolHandler, readArguments, type TaskTool } from "./task-tool.ts";

/** In `_meta` of a stored request: the work began before the task was made. */
const BEGUN = "mcp-task-store/begun";

/**
 * Runs the handler of one tool, in the three ways in which a call reaches it: as a task, early
 * (before its task is made), and directly (a call that is answered at once).
 */
export class ToolRunner {
  readonly #tool: TaskTool;
  readonly #handler: AnyTaskToolHandler;
  readonly #runs: Runs;

  constructor(tool: TaskTool, handler: AnyTaskToolHandler, runs: Runs) {
    this.#tool = tool;
    this.#handler = handler;
    this.#runs = runs;
  }

  /** For the workers of this process. */
  get forWorkers(): HandlerWithOptions {
    return { handler: this.#asTask, ...this.#options, concurrency: this.#tool.config.concurrency };
  }

  /** Runs a task that this process has just made. */
  start(taskId: string): void {
    this.#runs.start(taskId, this.#asTask, this.#options);
  }

  /** Begins the work of a call whose task is not made yet. */
  startEarly(args: unknown, seed: CallSeed): EarlyRun {
    return new EarlyRun(seed, (task) => this.#work(args, task));
  }

  /** The early run goes on as the run of its task. The request has to be stored as `asBegun`. */
  continue(taskId: string, early: EarlyRun): void {
    this.#runs.continue(taskId, early.asTask, this.#options);
  }

  /**
   * Answers a call at once. `McpServer` turns a thrown error into a result, and checks the result
   * against the output schema.
   */
  async answer(args: unknown, task: TaskContext): Promise<CallToolResult> {
    return withJson(await this.#handler(args, task), "result");
  }

  get #options(): HandlerOptions {
    const { timeoutMs, inputTimeoutMs, onLost, retry } = this.#tool.config;
    return { timeoutMs, inputTimeoutMs, onLost, retry, failureResult };
  }

  /**
   * The handler of a task of this tool, for a runner in any process.
   * @see SEP-2663, "Result Retrieval": `tasks/get` gives what the call would have given
   */
  readonly #asTask: TaskHandler = async (task) => {
    // A stopped runner leaves the work to another process.
    task.signal.throwIfAborted();
    const { name, config } = this.#tool;
    if (config.onLost === "fail" && hasBegun(task.request) && !(await task.step(SLEPT, () => false)))
      throw new ProtocolError(ProtocolErrorCode.InternalError, "The process that ran this task was lost");
    const read = await readArguments(config.inputSchema, task.request.params?.["arguments"]);
    if ("issue" in read) return toolError(`Input validation error: Invalid arguments for tool ${name}: ${read.issue}`);
    return this.#work(read.args, task);
  };

  /** The result of the handler. For a thrown error, the result that `McpServer` makes of it. */
  async #work(args: unknown, task: TaskContext): Promise<CallToolResult> {
    try {
      const work = async () => this.#handler(args, askingClient(task));
      return await this.checked(await this.#tool.pace.timed(work));
    } catch (error) {
      // Aborted work has no result: the task was cancelled, or another runner goes on. With
      // `retry`, only the last error is the result.
      const result = task.signal.aborted || this.#tool.config.retry ? undefined : failureResult(error);
      if (!result) throw error;
      return result;
    }
  }

  /** The result if it fits the output schema, otherwise the error that `McpServer` makes of it. */
  async checked(result: CallToolResult): Promise<CallToolResult> {
    const { name, config } = this.#tool;
    if (!config.outputSchema || result.isError) return result;
    if (result.structuredContent === undefined)
      return toolError(
        `Output validation error: Tool ${name} has an output schema but no structured content was provided`,
      );
    const outcome = await readArguments(config.outputSchema, result.structuredContent);
    if ("args" in outcome) return result;
    return toolError(`Output validation error: Invalid structured content for tool ${name}: ${outcome.issue}`);
  }
}

/**
 * The result that `McpServer` makes of an error. None for a JSON-RPC error, and for a failure of
 * the store, which is not the tool's.
 */
function failureResult(error: unknown): CallToolResult | undefined {
  return isRpcError(error) || isTaskStoreError(error) ? undefined : toolError(error);
}

/**
 * Marks the request of a call whose work began before its task was made. A runner that finds this
 * mark comes after a lost runner.
 */
export function asBegun({ params, ...request }: Request): Request {
  return { ...request, params: { ...params, _meta: { ...(params?.["_meta"] as object | undefined), [BEGUN]: true } } };
}

function hasBegun({ params }: Request): boolean {
  return (params?.["_meta"] as Record<string, unknown> | undefined)?.[BEGUN] === true;
}

/**
 * The task with questions that fail if the client did not declare that it can answer them. An
 * answer that is an error is thrown.
 */
function askingClient(task: TaskContext): TaskContext {
  const declared = task.request.params?.["_meta"] as
    | { [CLIENT_CAPABILITIES_META_KEY]?: ClientCapabilities }
    | undefined;
  const capabilities = declared?.[CLIENT_CAPABILITIES_META_KEY];
  const ask =
    <Params, Answer>(
      kind: "elicitation" | "sampling",
      question: (params: Params, options?: InputOptions) => Promise<Answer>,
    ) =>
    async (params: Params, options?: InputOptions): Promise<Answer> => {
      if (capabilities && capabilities[kind] === undefined)
        throw new Error(`The client that called this tool did not declare the capability "${kind}"`);
      const answer = await question(params, options);
      const error = (answer as { [ANSWER_ERROR]?: { code?: number; message: string; data?: unknown } })[ANSWER_ERROR];
      if (error?.code !== undefined) throw new JsonRpcError(error.code, error.message, error.data);
      if (error) throw new Error(error.message);
      return answer;
    };
  return {
    ...task,
    elicit: ask("elicitation", task.elicit) as TaskContext["elicit"],
    sample: ask("sampling", task.sample),
  };
}
