import { isTaskStoreError, type Result, type Task } from "@mcp-task-store/core";
import {
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
  type StandardSchemaV1,
} from "@modelcontextprotocol/server";
import type { ExtensionContext } from "../extension-context.ts";
import { checkAnswers } from "../protocol/answers.ts";
import {
  ANONYMOUS,
  callerOf,
  declaredCapabilities,
  declaresTasks,
  isModern,
  missingTasksCapability,
} from "../protocol/callers.ts";
import { asProtocolError, detailedTask, SHOWN, type ShownTask, taskResult, unknownTask } from "../protocol/wire.ts";
import { afterChange } from "../running/after-change.ts";
import { untilEnded } from "../running/until-ended.ts";
import type { LegacyConnection } from "../transports/legacy-connection.ts";

/** A schema for one string, without a schema library. */
function params<Key extends string>(
  key: Key,
  required: boolean,
): { params: StandardSchemaV1<unknown, Record<Key, string>> } {
  const validate = (value: unknown) => {
    const found = (value as Record<string, unknown>)[key];
    if (typeof found === "string" || (!required && found === undefined))
      return { value: { [key]: found } as Record<Key, string> };
    return { issues: [{ message: `${key} must be a string` }] };
  };
  return { params: { "~standard": { version: 1, vendor: "mcp-task-store", validate } } };
}

/**
 * The methods of both generations, on one server. The SDK answers only methods of the generation
 * that the server serves.
 */
export class TaskMethods {
  readonly #extension: ExtensionContext;
  readonly #mcp: McpServer;
  readonly #connection: LegacyConnection;

  constructor(extension: ExtensionContext, mcp: McpServer, connection: LegacyConnection) {
    this.#extension = extension;
    this.#mcp = mcp;
    this.#connection = connection;
  }

  /** Registers the handlers of all methods. */
  serve(): void {
    this.#serve("tasks/get", (taskId, ctx) => this.#get(taskId, ctx));
    this.#serve("tasks/update", (taskId, ctx) => this.#update(taskId, ctx));
    this.#serve("tasks/cancel", (taskId, ctx) => this.#cancel(taskId, ctx));
    this.#serve("tasks/result", (taskId, ctx) => this.#result(taskId, ctx));
    this.#mcp.server.setRequestHandler("tasks/list", params("cursor", false), ({ cursor }, ctx) =>
      this.#translated(ctx, () => this.#list(cursor, ctx)),
    );
  }

  #serve(method: string, handle: (taskId: string, ctx: ServerContext) => Promise<Result>): void {
    this.#mcp.server.setRequestHandler(method, params("taskId", true), ({ taskId }, ctx) =>
      this.#translated(ctx, async () => {
        if (isModern(ctx) && !declaresTasks(declaredCapabilities(ctx))) throw missingTasksCapability(method);
        return handle(taskId, ctx);
      }),
    );
  }

  async #translated(ctx: ServerContext, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      this.#extension.noteFailure(ctx, error);
      throw asProtocolError(error);
    }
  }

  /** @see SEP-2663, "Task Polling"; MCP 2025-11-25, Tasks, "Getting Tasks" */
  async #get(taskId: string, ctx: ServerContext): Promise<Result> {
    const owner = this.#extension.ownerOf(ctx);
    const { store, getWaitMs } = this.#extension;
    if (isModern(ctx) && getWaitMs > 0)
      return detailedTask(
        await afterChange(this.#extension, taskId, { owner, signal: ctx.mcpReq.signal, waitMs: getWaitMs }),
      );
    const task = await store.getTask(taskId, { owner });
    if (!task) throw unknownTask();
    if (!isModern(ctx)) return { ...task };
    // Most polls find a working task, which shows only its status.
    if (task.status === "working" || task.status === "cancelled") return detailedTask({ task });
    const record = await store.getRecord(taskId, { owner, fields: SHOWN });
    if (!record) throw unknownTask();
    return detailedTask(record);
  }

  /** @see SEP-2663, "Task Update Requests" */
  async #update(taskId: string, ctx: ServerContext): Promise<Result> {
    if (!isModern(ctx)) throw new ProtocolError(ProtocolErrorCode.MethodNotFound, "Method not found");
    const { store } = this.#extension;
    const owner = this.#extension.ownerOf(ctx);
    const { inputResponses, droppedInputResponseKeys = [] } = ctx.mcpReq;
    // An unknown or foreign id gets the same answer with any inputResponses.
    const record = await store.getRecord(taskId, { owner, fields: ["inputRequests"] });
    if (!record) throw unknownTask();
    if (
      inputResponses === undefined ||
      droppedInputResponseKeys.some((key) => Object.hasOwn(record.inputRequests, key))
    )
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, "inputResponses must hold the bare answers, by key");
    checkAnswers(record.inputRequests, inputResponses);
    await store.provideInputs(taskId, inputResponses, { owner });
    return {};
  }

  /** @see SEP-2663, "Task Cancellation"; MCP 2025-11-25, Tasks, "Cancelling Tasks" */
  async #cancel(taskId: string, ctx: ServerContext): Promise<Result> {
    const owner = this.#extension.ownerOf(ctx);
    try {
      const { task } = await this.#extension.store.cancelTask(taskId, { owner });
      return isModern(ctx) ? {} : (task as Task & Result);
    } catch (error) {
      // The task had ended before. SEP-2663 does not make that an error.
      if (isModern(ctx) && isTaskStoreError(error, "TASK_TERMINAL")) return {};
      throw error;
    }
  }

  /** @see MCP 2025-11-25, Tasks, "Retrieving Task Results" */
  async #result(taskId: string, ctx: ServerContext): Promise<Result> {
    const owner = this.#extension.ownerOf(ctx);
    const { signal, id } = ctx.mcpReq;
    const asked: string[] = [];
    const free = this.#extension.waits.take(owner);
    try {
      const onQuestions = async (task: ShownTask) => void asked.push(...(await this.#connection.ask(task, id)));
      return taskResult(await untilEnded(this.#extension, taskId, { owner, signal, onQuestions }), this.#project);
    } finally {
      free();
      this.#connection.forget(asked);
    }
  }

  /** @see MCP 2025-11-25, Tasks, "Listing Tasks" */
  async #list(cursor: string | undefined, ctx: ServerContext): Promise<Result> {
    const caller = callerOf(ctx);
    const owner = this.#extension.ownerOf(ctx);
    if (caller.request && owner === ANONYMOUS)
      throw new ProtocolError(
        ProtocolErrorCode.InvalidRequest,
        "tasks/list needs an authenticated caller or a session",
      );
    return { ...(await this.#extension.store.listTasks(cursor, { owner })) };
  }

  readonly #project = (result: Result): Result => this.#mcp.server.projectCallToolResult(result as never, undefined);
}
