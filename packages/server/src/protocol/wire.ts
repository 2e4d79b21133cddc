import {
  isTaskStoreError,
  isTerminal,
  RELATED_TASK_META_KEY,
  type Result,
  type Task,
  type TaskRecord,
} from "@mcp-task-store/core";
import { assertJson, errorObjectOf, messageOf, rpcCodeOf } from "@mcp-task-store/core/backend";
import {
  type CallToolResult,
  type JSONRPCErrorResponse,
  ProtocolError,
  ProtocolErrorCode,
  type RequestId,
} from "@modelcontextprotocol/server";

/** The extension's identifier. @see SEP-2663, "Extension Identifier" */
export const TASKS_EXTENSION_ID = "io.modelcontextprotocol/tasks";

/** JSON-RPC's range for errors of a server's own. @see JSON-RPC 2.0, section 5.1 */
const SERVER_ERROR = -32000;

/** A task as the extension shows it. @see SEP-2663, `Task` */
export function extensionTask({ ttl, pollInterval, ...task }: Task): Record<string, unknown> {
  return { ...task, ttlMs: ttl, ...(pollInterval === undefined ? {} : { pollIntervalMs: pollInterval }) };
}

/** The fields of a record that the wire shows. */
export const SHOWN = ["inputRequests", "result", "error"] as const;

/** A task with the fields that its status shows: questions, or a result or error. */
export interface ShownTask extends Partial<Omit<TaskRecord, "task">> {
  readonly task: Task;
}

/** How a task ended, in the extension's terms: any result is a completion, with `isError` too. */
type Ending =
  | { status: "completed"; result: Result }
  | { status: "failed"; error: Record<string, unknown> }
  | { status: "cancelled" };

function endingOf({ task, result, error }: ShownTask): Ending | undefined {
  if (!isTerminal(task.status)) return undefined;
  if (task.status === "cancelled") return { status: "cancelled" };
  if (result) return { status: "completed", result };
  if (task.status === "completed") return { status: "completed", result: { content: [] } };
  const unknown = { code: ProtocolErrorCode.InternalError, message: task.statusMessage ?? "The task failed" };
  return { status: "failed", error: { ...(error ?? unknown) } };
}

/**
 * The result as the SDK shows it to clients of 2026-07-28: structured content that is no object is
 * added as text.
 * @see SEP-2106
 */
function withText(result: Result): Result {
  const { structuredContent, content = [] } = result as Partial<CallToolResult>;
  if (structuredContent === undefined || (isObject(structuredContent) && !Array.isArray(structuredContent)))
    return result;
  if (content.some(({ type }) => type === "text")) return result;
  return { ...result, content: [...content, { type: "text", text: JSON.stringify(structuredContent) }] };
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** A task as `tasks/get` and `notifications/tasks` show it. @see SEP-2663, `DetailedTask` */
export function detailedTask(record: ShownTask): Record<string, unknown> {
  const task = extensionTask(record.task);
  const ending = endingOf(record);
  if (ending?.status === "completed")
    // Without `resultType`, a client takes the result for another kind of answer.
    return { ...task, ...ending, result: { resultType: "complete", ...withText(ending.result) } };
  if (ending) return { ...task, ...ending };
  if (record.task.status === "input_required") return { ...task, inputRequests: record.inputRequests ?? {} };
  return task;
}

/**
 * The result of a terminal task.
 * @throws ProtocolError the JSON-RPC error with which the task failed; -32602 for a task that was
 * cancelled
 */
export function resultOf(record: ShownTask): Result {
  const ending = endingOf(record);
  if (ending?.status === "completed") return ending.result;
  if (ending?.status === "failed") {
    const { code, message, data } = ending.error as { code: number; message: string; data?: unknown };
    throw new ProtocolError(code, message, data);
  }
  const { taskId } = record.task;
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Task ${taskId} was cancelled and has no result`);
}

/**
 * The answer of `tasks/result` for a terminal task.
 * @throws ProtocolError as `resultOf`
 * @see MCP 2025-11-25, Tasks, "Retrieving Task Results"
 */
export function taskResult(record: ShownTask, project: (result: Result) => Result): Result {
  const { resultType: _, ...result } = project(resultOf(record));
  return { ...result, _meta: { ...result._meta, ...relatedTask(record.task.taskId) } };
}

/** @see MCP 2025-11-25, Tasks, "Related Task Metadata" */
export function relatedTask(taskId: string): Record<string, unknown> {
  return { [RELATED_TASK_META_KEY]: { taskId } };
}

/** The one error for an unknown, an expired and a foreign id. @see SEP-2663, "Task Polling" */
export function unknownTask(): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.InvalidParams, "Task not found");
}

/**
 * The JSON-RPC error that the requestor gets for a failure of the store. Messages of the store hold
 * neither payloads nor addresses.
 */
export function asProtocolError(error: unknown): ProtocolError {
  if (!isTaskStoreError(error)) return rpcError(error);
  const data = { code: error.code };
  switch (error.code) {
    case "TASK_NOT_FOUND":
    case "TASK_EXPIRED":
      return unknownTask();
    case "INVALID_CURSOR":
    case "INVALID_ARGUMENT":
    case "TASK_EXISTS":
    case "DEDUPE_CONFLICT":
    case "PAYLOAD_TOO_LARGE":
    case "TASK_TERMINAL":
      return new ProtocolError(ProtocolErrorCode.InvalidParams, error.message, data);
    case "LIMIT_EXCEEDED":
      return new ProtocolError(SERVER_ERROR, error.message, data);
    default:
      return new ProtocolError(ProtocolErrorCode.InternalError, "The server's task store failed; try again", data);
  }
}

/** Whether a call failed because the task is gone, or because the store is closed. */
export function isGone(error: unknown): boolean {
  return isTaskStoreError(error) && ["TASK_NOT_FOUND", "TASK_EXPIRED", "STORE_CLOSED"].includes(error.code);
}

/** The answer to a request that the extension refuses without the SDK. */
export function refusal(id: RequestId, { code, message, data }: ProtocolError): JSONRPCErrorResponse {
  return { jsonrpc: "2.0", id, error: { code, message, data } };
}

/**
 * Returns the value, which no store has checked. A task with a bad value fails with the same
 * message.
 * @throws ProtocolError -32603 for a value that is not JSON
 */
export function withJson<Value>(value: Value, what: string): Value {
  try {
    assertJson({ [what]: value }, what);
    return value;
  } catch (error) {
    throw new ProtocolError(ProtocolErrorCode.InternalError, (error as Error).message);
  }
}

/** The result of a tool whose handler threw. @see MCP 2025-11-25, Tools, "Error Handling" */
export function toolError(error: unknown): CallToolResult {
  return { content: [{ type: "text", text: messageOf(error) }], isError: true };
}

/**
 * Whether a handler threw a JSON-RPC error. Anything else that it throws is an error of the tool.
 */
export function isRpcError(error: unknown): boolean {
  return rpcCodeOf(error) !== undefined;
}

/**
 * The JSON-RPC error to send for a thrown value. The SDK would take any integer `code` for one of
 * JSON-RPC, and any `data` for JSON.
 */
export function rpcError(error: unknown): ProtocolError {
  const { code, message, data } = errorObjectOf(error);
  // An error of the SDK stays what it is, because its transports know some classes.
  return error instanceof ProtocolError && error.data === data ? error : new ProtocolError(code, message, data);
}
