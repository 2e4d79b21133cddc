/**
 * For the tasks extension that is drafted for `@modelcontextprotocol/server` itself. Everything
 * here follows a draft and may change with it in any version of this package.
 */
import { isTaskStoreError, type TaskStore } from "@mcp-task-store/core";
import { checkOptions, checks, type OptionTable } from "@mcp-task-store/core/backend";
import type { InputRequests } from "@modelcontextprotocol/server";
import { checkAnswers } from "./protocol/answers.ts";
import { ANONYMOUS } from "./protocol/callers.ts";
import { asProtocolError, detailedTask, extensionTask, SHOWN } from "./protocol/wire.ts";

/** What the draft's `tasks.create` asks a store to create. */
export interface DraftTaskParams {
  /** Milliseconds to keep the task, within the store's `limits.ttl`; `null` = for ever. */
  ttlMs: number | null;
  /** Milliseconds that a client should leave between two polls. */
  pollIntervalMs?: number;
  /** Who made the call: the client id of its access token. */
  principal?: string;
  /** What the tool left for the work. */
  context?: Record<string, unknown>;
}

/** Who asks for a task. */
export interface DraftTaskAccess {
  principal?: string | undefined;
}

/** A task as the draft answers with it. @see SEP-2663, `Task` */
export interface DraftTask {
  taskId: string;
  status: "working" | "input_required" | "completed" | "failed" | "cancelled";
  statusMessage?: string;
  createdAt: string;
  lastUpdatedAt: string;
  ttlMs: number | null;
  pollIntervalMs?: number;
}

/** A task with what its status shows. @see SEP-2663, `DetailedTask` */
export type DraftDetailedTask = DraftTask &
  (
    | { status: "working" }
    | { status: "input_required"; inputRequests: InputRequests }
    | { status: "completed"; result: { [key: string]: unknown } }
    | { status: "failed"; error: { code: number; message: string; data?: unknown } }
    | { status: "cancelled" }
  );

/** The interface of a store in the draft. */
export interface DraftTaskStore {
  create(params: DraftTaskParams): Promise<DraftTask>;
  get(taskId: string, access?: DraftTaskAccess): Promise<DraftDetailedTask | undefined>;
  update(taskId: string, inputResponses: Record<string, unknown>, access?: DraftTaskAccess): Promise<boolean>;
  cancel(taskId: string, access?: DraftTaskAccess): Promise<boolean>;
}

export interface SdkTaskStoreOptions {
  /**
   * Milliseconds after which a worker may claim a new task that no runner has leased. 0 if workers
   * alone run the tasks.
   * @default the store's `claimAfterMs`
   */
  claimAfterMs?: number | undefined;
}

const OPTIONS: OptionTable<SdkTaskStoreOptions> = { claimAfterMs: checks.number(0) };

/**
 * A store for the `TasksExtension` that is drafted for the SDK: pull request 2782 of
 * `modelcontextprotocol/typescript-sdk`, in its state of September 2026 (commit 100decd). Version
 * 2.4.0 of the SDK does not have it.
 *
 * The draft passes no tool name. If the tool leaves `context.name` and `context.arguments`, the
 * task is one of that tool, and workers claim it by that name. Otherwise run it with `runTask`.
 *
 * The principal is the owner of the task. A task without one is reached only by calls without one.
 * Answers are checked against their questions, as `TasksExtension` of this package checks them.
 *
 * @returns A store whose methods reject with a `ProtocolError` of the SDK: -32602 for arguments and
 * answers that do not fit, -32000 at a limit, -32603 if the store fails
 * @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or an invalid value
 * @example
 * const tasks = new TasksExtension(sdkTaskStore(store));
 * const server = new McpServer(info, { extensions: [tasks] });
 * server.registerTool("report", { inputSchema }, async (args, ctx) => {
 *   const task = await tasks.create(ctx, { context: { name: "report", arguments: args } });
 *   void runTask(store, task.taskId, report);
 *   return task;
 * });
 */
export function sdkTaskStore(store: TaskStore, options: SdkTaskStoreOptions = {}): DraftTaskStore {
  checkOptions("sdkTaskStore", options, OPTIONS);
  const { claimAfterMs } = options;
  return {
    create({ ttlMs, pollIntervalMs, principal, context }) {
      const call = { name: context?.["name"], arguments: context?.["arguments"] };
      const request = isCall(call) ? call : { method: "tools/call" };
      const times = { ttl: ttlMs, pollInterval: pollIntervalMs, claimAfterMs };
      return translated(async () => {
        const task = await store.createTask({ ...request, ...times, context, owner: ownerOf(principal) });
        return extensionTask(task) as unknown as DraftTask;
      });
    },

    get(taskId, { principal } = {}) {
      return translated(async () => {
        const record = await store.getRecord(taskId, { owner: ownerOf(principal), fields: SHOWN });
        return record ? (detailedTask(record) as unknown as DraftDetailedTask) : undefined;
      });
    },

    update(taskId, inputResponses, { principal } = {}) {
      return unlessGone(async () => {
        const owner = ownerOf(principal);
        const record = await store.getRecord(taskId, { owner, fields: ["inputRequests"] });
        if (!record) return false;
        checkAnswers(record.inputRequests, inputResponses);
        await store.provideInputs(taskId, inputResponses, { owner });
        return true;
      });
    },

    cancel(taskId, { principal } = {}) {
      return unlessGone(async () => {
        try {
          await store.cancelTask(taskId, { owner: ownerOf(principal) });
        } catch (error) {
          // The task had ended before, which the draft acknowledges.
          if (!isTaskStoreError(error, "TASK_TERMINAL")) throw error;
        }
        return true;
      });
    },
  };
}

function isCall(call: { name: unknown; arguments: unknown }): call is {
  name: string;
  arguments: Record<string, unknown> | undefined;
} {
  return typeof call.name === "string" && (call.arguments === undefined || typeof call.arguments === "object");
}

function ownerOf(principal: string | undefined): string {
  if (principal === ANONYMOUS) throw new TypeError(`The principal ${ANONYMOUS} is reserved`);
  return principal ?? ANONYMOUS;
}

/** A task of another principal, and one that is gone, is not found. */
async function unlessGone(work: () => Promise<boolean>): Promise<boolean> {
  return translated(async () => {
    try {
      return await work();
    } catch (error) {
      if (isTaskStoreError(error, "TASK_NOT_FOUND") || isTaskStoreError(error, "TASK_EXPIRED")) return false;
      throw error;
    }
  });
}

async function translated<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw asProtocolError(error);
  }
}
