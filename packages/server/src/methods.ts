import { isTaskStoreError, isTerminal, type Result, type Task } from "@mcp-task-store/core";
import {
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
  type StandardSchemaV1,
} from "@modelcontextprotocol/server";
import { checkAnswers } from "./answers.ts";
import { callerOf, declaredCapabilities, declaresTasks, isModern, missingTasksCapability } from "./callers.ts";
import type { Connection } from "./connection.ts";
import type { Shared } from "./shared.ts";
import { asProtocolError, taskResult, unknownTask } from "./wire.ts";

/** A schema for one string: the extension needs no library for that. */
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

/** The methods of both generations, on one server. A server only answers those of the generation that it serves. */
export class Methods {
  readonly #shared: Shared;
  readonly #mcp: McpServer;
  readonly #connection: Connection;

  constructor(shared: Shared, mcp: McpServer, connection: Connection) {
    this.#shared = shared;
    this.#mcp = mcp;
    this.#connection = connection;
    this.#serve("tasks/get", (taskId, ctx) => this.#get(taskId, ctx));
    this.#serve("tasks/update", (taskId, ctx) => this.#update(taskId, ctx));
    this.#serve("tasks/cancel", (taskId, ctx) => this.#cancel(taskId, ctx));
    this.#serve("tasks/result", (taskId, ctx) => this.#result(taskId, ctx));
    mcp.server.setRequestHandler("tasks/list", params("cursor", false), ({ cursor }, ctx) =>
      translated(() => this.#list(cursor, ctx)),
    );
  }

  #serve(method: string, handle: (taskId: string, ctx: ServerContext) => Promise<Result>): void {
    this.#mcp.server.setRequestHandler(method, params("taskId", true), ({ taskId }, ctx) =>
      translated(async () => {
        if (isModern(ctx) && !declaresTasks(declaredCapabilities(ctx))) throw missingTasksCapability();
        return handle(taskId, ctx);
      }),
    );
  }

  /** @see SEP-2663, "Task Polling"; MCP 2025-11-25, Tasks, "Getting Tasks" */
  async #get(taskId: string, ctx: ServerContext): Promise<Result> {
    const owner = this.#shared.ownerOf(ctx);
    const found = isModern(ctx)
      ? await this.#shared.detailed(taskId, owner)
      : await this.#shared.store.getTask(taskId, { owner });
    if (!found) throw unknownTask();
    return found as Task & Result;
  }

  /** @see SEP-2663, "Task Update Requests" */
  async #update(taskId: string, ctx: ServerContext): Promise<Result> {
    if (!isModern(ctx)) throw new ProtocolError(ProtocolErrorCode.MethodNotFound, "Method not found");
    const { store } = this.#shared;
    const owner = this.#shared.ownerOf(ctx);
    const { inputResponses, droppedInputResponseKeys = [] } = ctx.mcpReq;
    // An id that is not the caller's says nothing else, whatever came with it.
    const record = await store.getRecord(taskId, { owner });
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
    const owner = this.#shared.ownerOf(ctx);
    try {
      const task = await this.#shared.store.cancelTask(taskId, { owner });
      return isModern(ctx) ? {} : (task as Task & Result);
    } catch (error) {
      // It had ended by then: the cancellation came too late, which the extension does not call an error.
      if (isModern(ctx) && isTaskStoreError(error, "TASK_TERMINAL")) return {};
      throw error;
    }
  }

  /** @see MCP 2025-11-25, Tasks, "Retrieving Task Results" */
  async #result(taskId: string, ctx: ServerContext): Promise<Result> {
    const { store } = this.#shared;
    const owner = this.#shared.ownerOf(ctx);
    const { signal, id } = ctx.mcpReq;
    const asked: string[] = [];
    try {
      for (let after = 0; ; ) {
        const { task, revision } = await store.waitForTask(taskId, {
          owner,
          signal,
          after,
          until: ["input_required", "completed", "failed", "cancelled"],
        });
        const record = await store.getRecord(taskId, { owner });
        if (!record) throw unknownTask();
        if (isTerminal(record.task.status)) return taskResult(record, this.#project);
        if (task.status === "input_required") asked.push(...(await this.#connection.ask(record, id)));
        after = Math.max(revision, record.revision);
      }
    } finally {
      this.#connection.forget(asked);
    }
  }

  /** @see MCP 2025-11-25, Tasks, "Listing Tasks" */
  async #list(cursor: string | undefined, ctx: ServerContext): Promise<Result> {
    const caller = callerOf(ctx);
    const owner = this.#shared.ownerOf(ctx);
    if (caller.request && this.#shared.isAnonymous(owner))
      throw new ProtocolError(
        ProtocolErrorCode.InvalidRequest,
        "tasks/list needs an authenticated caller or a session",
      );
    return { ...(await this.#shared.store.listTasks(cursor, { owner })) };
  }

  readonly #project = (result: Result): Result => this.#mcp.server.projectCallToolResult(result as never, undefined);
}

async function translated(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw asProtocolError(error);
  }
}
