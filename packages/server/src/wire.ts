import {
  isTaskStoreError,
  isTerminal,
  JsonRpcError,
  RELATED_TASK_META_KEY,
  type Result,
  type Task,
  type TaskRecord,
} from "@mcp-task-store/core";
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

/** How a task ended, in the extension's terms: any result is a completion, whatever it says. */
type Ending =
  | { status: "completed"; result: Result }
  | { status: "failed"; error: Record<string, unknown> }
  | { status: "cancelled" };

function endingOf({ task, result, error }: TaskRecord): Ending | undefined {
  if (!isTerminal(task.status)) return undefined;
  if (task.status === "cancelled") return { status: "cancelled" };
  if (result) return { status: "completed", result };
  if (task.status === "completed") return { status: "completed", result: { content: [] } };
  const unknown = { code: ProtocolErrorCode.InternalError, message: task.statusMessage ?? "The task failed" };
  return { status: "failed", error: { ...(error ?? unknown) } };
}

/** As the SDK shows a result to clients of 2026-07-28: what is structured but no object is there as text, too. @see SEP-2106 */
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

/** What `tasks/get` and `notifications/tasks` say. @see SEP-2663, `DetailedTask` */
export function detailedTask(record: TaskRecord): Record<string, unknown> {
  const task = extensionTask(record.task);
  const ending = endingOf(record);
  if (ending?.status === "completed")
    // Clients take a result without `resultType` for something else.
    return { ...task, ...ending, result: { resultType: "complete", ...withText(ending.result) } };
  if (ending) return { ...task, ...ending };
  if (record.task.status === "input_required") return { ...task, inputRequests: record.inputRequests };
  return task;
}

/**
 * What `tasks/result` answers for a terminal task.
 * @throws the JSON-RPC error with which the task failed
 * @see MCP 2025-11-25, Tasks, "Retrieving Task Results"
 */
export function taskResult(record: TaskRecord, project: (result: Result) => Result): Result {
  const { taskId } = record.task;
  const ending = endingOf(record);
  if (ending?.status === "completed") {
    const { resultType: _, ...result } = project(ending.result);
    return { ...result, _meta: { ...result._meta, ...relatedTask(taskId) } };
  }
  if (ending?.status === "failed") {
    const { code, message, data } = ending.error as { code: number; message: string; data?: unknown };
    throw new ProtocolError(code, message, data);
  }
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Task ${taskId} was cancelled and has no result`);
}

/** @see MCP 2025-11-25, Tasks, "Related Task Metadata" */
export function relatedTask(taskId: string): Record<string, unknown> {
  return { [RELATED_TASK_META_KEY]: { taskId } };
}

/** The same for an unknown, an expired and a foreign id. @see SEP-2663, "Task Polling" */
export function unknownTask(): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.InvalidParams, "Task not found");
}

/** What the requestor is told of a failure of the store. Messages of the store hold neither payloads nor addresses. */
export function asProtocolError(error: unknown): Error {
  if (error instanceof JsonRpcError) return new ProtocolError(error.code, error.message, error.data);
  if (!isTaskStoreError(error)) return error instanceof Error ? error : new Error(String(error));
  const data = { code: error.code };
  switch (error.code) {
    case "TASK_NOT_FOUND":
    case "TASK_EXPIRED":
      return unknownTask();
    case "INVALID_CURSOR":
    case "INVALID_ARGUMENT":
    case "PAYLOAD_TOO_LARGE":
    case "TASK_TERMINAL":
      return new ProtocolError(ProtocolErrorCode.InvalidParams, error.message, data);
    case "LIMIT_EXCEEDED":
      return new ProtocolError(SERVER_ERROR, error.message, data);
    default:
      return new ProtocolError(ProtocolErrorCode.InternalError, "The server's task store failed; try again", data);
  }
}

/** The answer to a request that is refused without the SDK. */
export function refusal(id: RequestId, { code, message, data }: ProtocolError): JSONRPCErrorResponse {
  return { jsonrpc: "2.0", id, error: { code, message, data } };
}

/** The result of a tool whose handler threw. @see MCP 2025-11-25, Tools, "Error Handling" */
export function toolError(error: unknown): CallToolResult {
  const text = error instanceof Error ? error.message : String(error);
  return { content: [{ type: "text", text }], isError: true };
}
