import { isTaskStoreError } from "@mcp-task-store/core";
import type {
  CallToolResult,
  McpServer,
  RegisteredTool,
  ServerContext,
  StandardSchemaWithJSON,
} from "@modelcontextprotocol/server";
import type { ExtensionContext } from "../extension-context.ts";
import type { FallbackToolsOptions } from "../options.ts";
import { checkAnswers } from "../protocol/answers.ts";
import {
  type FallbackNames,
  outcomeOf,
  PlainError,
  refusalOf,
  sentenceFor,
  stateOf,
} from "../protocol/plain-answers.ts";
import { inputSchemas, STATE_SCHEMA } from "../protocol/plain-schemas.ts";
import { SHOWN, type ShownTask, unknownTask } from "../protocol/wire.ts";
import { afterChange } from "../running/after-change.ts";

const MAX_WAIT_MS = 30_000;

type Kind = keyof FallbackNames;

/** What the answer of a fallback tool needs beside its arguments. */
interface Asking {
  owner: string;
  signal: AbortSignal;
}

/**
 * The tools with which a client that knows no tasks follows them. Each call sees the tasks of its
 * caller, as the methods of tasks do.
 */
export class FallbackTools {
  readonly names: FallbackNames;
  readonly #extension: ExtensionContext;
  readonly #mcp: McpServer;
  readonly #options: FallbackToolsOptions;
  readonly #maxWaitMs: number;

  constructor(extension: ExtensionContext, mcp: McpServer, options: FallbackToolsOptions) {
    const { status, result, cancel, answer, maxWaitMs = MAX_WAIT_MS } = options;
    this.#extension = extension;
    this.#mcp = mcp;
    this.#options = options;
    this.#maxWaitMs = maxWaitMs;
    this.names = {
      status: status?.name ?? "task_status",
      result: result?.name ?? "task_result",
      cancel: cancel?.name ?? "task_cancel",
      answer: answer?.name ?? "task_answer",
    };
  }

  /** @throws Error if the server has a tool of one of the names */
  register(): Record<Kind, RegisteredTool> {
    const { names } = this;
    const schemas = inputSchemas(this.#maxWaitMs);
    const looks = { readOnlyHint: true, openWorldHint: false };
    const status = this.#register(
      "status",
      schemas.status,
      {
        title: "Status of a task",
        description: `Shows how far a task is: a call of another tool that goes on in the background. With waitMs it answers as soon as the task changes, so do not call it in a loop without waitMs. Call ${names.result} to get the result.`,
        annotations: looks,
        outputSchema: STATE_SCHEMA,
      },
      async ({ taskId, waitMs = 0 }, asking) => stateOf(await this.#after(taskId, waitMs, "change", asking), names),
    );
    const result = this.#register(
      "result",
      schemas.result,
      {
        title: "Result of a task",
        description: `Waits for the result of a task and returns it as the original tool would have. If the task is still working after waitMs, the answer says so: call this tool again. If the task asks a question, the answer holds the question: ask the user, then call ${names.answer}.`,
        annotations: looks,
      },
      async ({ taskId, waitMs = this.#maxWaitMs }, asking) =>
        outcomeOf(await this.#after(taskId, waitMs, "pause", asking), names),
    );
    const cancel = this.#register(
      "cancel",
      schemas.cancel,
      {
        title: "Cancel a task",
        description: "Stops a task. Its result is lost. Does nothing to a task that has already ended.",
        annotations: { destructiveHint: true, idempotentHint: true, openWorldHint: false },
        outputSchema: STATE_SCHEMA,
      },
      async ({ taskId }, asking) => this.#cancel(taskId, asking),
    );
    const answer = this.#register(
      "answer",
      schemas.answer,
      {
        title: "Answer a question of a task",
        description: `Answers a question that a task asked. ${names.status} and ${names.result} show the open questions, each with its key and the schema of its answer. Pass on what the user answered, and do not make up an answer.`,
        annotations: { destructiveHint: false, openWorldHint: false },
        outputSchema: STATE_SCHEMA,
      },
      async (args, asking) => this.#answer(args, asking),
    );
    return { status, result, cancel, answer };
  }

  #register<Arguments>(
    kind: Kind,
    inputSchema: StandardSchemaWithJSON<Arguments>,
    config: { title: string; description: string; annotations: object; outputSchema?: StandardSchemaWithJSON },
    handle: (args: Arguments, asking: Asking) => Promise<CallToolResult>,
  ): RegisteredTool {
    const { title = config.title, description = config.description } = this.#options[kind] ?? {};
    const all = { ...config, title, description, inputSchema };
    return this.#mcp.registerTool(this.names[kind], all, async (args: unknown, ctx: ServerContext) => {
      try {
        const owner = this.#extension.ownerOf(ctx);
        return await handle(args as Arguments, { owner, signal: ctx.mcpReq.signal });
      } catch (error) {
        const sentence = sentenceFor(error);
        if (sentence === undefined) this.#extension.onError(error as Error);
        return refusalOf(sentence ?? "The server failed to handle this call. Try again later.");
      }
    });
  }

  #after(taskId: string, waitMs: number, until: "change" | "pause", asking: Asking): Promise<ShownTask> {
    return afterChange(this.#extension, taskId, { ...asking, until, waitMs: Math.min(waitMs, this.#maxWaitMs) });
  }

  async #cancel(taskId: string, { owner }: Asking): Promise<CallToolResult> {
    try {
      return stateOf(await this.#extension.store.cancelTask(taskId, { owner }), this.names);
    } catch (error) {
      if (!isTaskStoreError(error, "TASK_TERMINAL")) throw error;
      return stateOf(await this.#read(taskId, owner), this.names, "There was nothing to cancel. ");
    }
  }

  async #answer(
    { taskId, key, action = "accept", content }: { taskId: string; key?: string; action?: string; content?: object },
    { owner }: Asking,
  ): Promise<CallToolResult> {
    const { inputRequests = {} } = await this.#read(taskId, owner);
    const open = Object.keys(inputRequests);
    const chosen = key ?? (open.length === 1 ? open[0] : undefined);
    if (open.length === 0)
      throw new PlainError(`The task has no open question. Call ${this.names.result} to wait for its result.`);
    if (chosen === undefined || !open.includes(chosen))
      throw new PlainError(
        `${key === undefined ? "The task asks several questions" : "The task does not ask this question"}. Call ${this.names.answer} with one of these keys: ${JSON.stringify(open)}`,
      );
    const answers = { [chosen]: content === undefined ? { action } : { action, content } };
    checkAnswers(inputRequests, answers);
    await this.#extension.store.provideInputs(taskId, answers, { owner });
    return stateOf(await this.#read(taskId, owner), this.names, "The answer has been passed on. ");
  }

  async #read(taskId: string, owner: string): Promise<ShownTask> {
    const record = await this.#extension.store.getRecord(taskId, { owner, fields: SHOWN });
    if (!record) throw unknownTask();
    return record;
  }
}
