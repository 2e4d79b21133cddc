import { isTaskStoreError } from "@mcp-task-store/core";
import type { Attributes } from "@opentelemetry/api";

// Names of OpenTelemetry's semantic conventions for messaging, 1.44. A task is a message, and the
// tool is its destination.

export const SCOPE = "@mcp-task-store/otel";

const SYSTEM = "messaging.system";
const OPERATION_NAME = "messaging.operation.name";
const OPERATION_TYPE = "messaging.operation.type";
const DESTINATION = "messaging.destination.name";
export const MESSAGE_ID = "messaging.message.id";
export const ERROR_TYPE = "error.type";

// Names of our own.
export const ATTEMPT = "mcp_task_store.attempt";
export const TASK_STATUS = "mcp_task_store.task.status";
export const STORED = "mcp_task_store.stored";

/** The writes that end a task. */
const SETTLES: ReadonlySet<string> = new Set(["finishTask", "storeTaskResult", "cancelTask"]);

/** The attributes that a span of an operation and its metrics share. Ids are for spans only. */
export function attributesOf(operation: string, tool: string | undefined): Attributes {
  const type = SETTLES.has(operation) ? "settle" : operation;
  return {
    [SYSTEM]: "mcp_task_store",
    [OPERATION_NAME]: operation,
    ...(["send", "receive", "process", "settle"].includes(type) ? { [OPERATION_TYPE]: type } : {}),
    ...(tool === undefined ? {} : { [DESTINATION]: tool }),
  };
}

/** Whether the write ends a task. */
export function settles(method: string): boolean {
  return SETTLES.has(method);
}

/** The kind of an error: its code if it has one, otherwise its name. */
export function errorType(error: unknown): string {
  if (isTaskStoreError(error)) return error.code;
  const { code, name } = (typeof error === "object" && error !== null ? error : {}) as Record<string, unknown>;
  // A DOMException has a number of no meaning as its code.
  if (error instanceof DOMException) return error.name;
  if (Number.isSafeInteger(code) || (typeof code === "string" && code !== "")) return String(code);
  return typeof name === "string" && name !== "" ? name : "_OTHER";
}
