import { RELATED_TASK_META_KEY } from "@mcp-task-store/core";
import type { Message } from "./wire.ts";

const DECLINE = { action: "decline" };
const NAMES_NO_TASK = "names no task";

/** Messages that name a task, or a string that says why a method has none. */
type Row = string | Readonly<Record<string, (taskId: string) => Message>>;

const tool = (name: string, args: (taskId: string) => object) => (taskId: string) =>
  ({ method: "tools/call", params: { name, arguments: args(taskId) } }) satisfies Message;

/**
 * Every method that a client may send, and what it sends with the id of a task. The test fails for
 * a method of the SDKs, or of a server of ours, that has no row.
 */
export const METHODS: Readonly<Record<string, Row>> = {
  "tasks/get": { plain: (taskId) => ({ method: "tasks/get", params: { taskId } }) },
  "tasks/result": { plain: (taskId) => ({ method: "tasks/result", params: { taskId } }) },
  "tasks/cancel": { plain: (taskId) => ({ method: "tasks/cancel", params: { taskId } }) },
  "tasks/update": {
    "with an answer": (taskId) => ({ method: "tasks/update", params: { taskId, inputResponses: { name: DECLINE } } }),
    "with a wrong answer": (taskId) => ({ method: "tasks/update", params: { taskId, inputResponses: { name: 7 } } }),
    "with another key": (taskId) => ({ method: "tasks/update", params: { taskId, inputResponses: { x: DECLINE } } }),
    "with nonsense": (taskId) => ({ method: "tasks/update", params: { taskId, inputResponses: "nonsense" } }),
    "without answers": (taskId) => ({ method: "tasks/update", params: { taskId } }),
  },
  // The id takes the place of a cursor. A test of its own has real cursors.
  "tasks/list": { "with a cursor": (cursor) => ({ method: "tasks/list", params: { cursor } }) },
  "subscriptions/listen": {
    "with the task": (taskId) => ({ method: "subscriptions/listen", params: { notifications: { taskIds: [taskId] } } }),
  },
  "tools/call": {
    task_status: tool("task_status", (taskId) => ({ taskId })),
    "task_status that waits": tool("task_status", (taskId) => ({ taskId, waitMs: 1 })),
    task_result: tool("task_result", (taskId) => ({ taskId, waitMs: 0 })),
    task_cancel: tool("task_cancel", (taskId) => ({ taskId })),
    task_answer: tool("task_answer", (taskId) => ({ taskId, key: "name", ...DECLINE })),
    "task_answer without a key": tool("task_answer", (taskId) => ({ taskId })),
    "task_answer with a wrong answer": tool("task_answer", (taskId) => ({ taskId, content: { name: 7 } })),
    "as a part of the task": (taskId) => related("tools/call", taskId, { name: "none", arguments: {} }),
  },
  // An id may stand where a request or a token of progress is named.
  "notifications/cancelled": {
    plain: (requestId) => ({ method: "notifications/cancelled", params: { requestId } }),
  },
  "notifications/progress": {
    plain: (progressToken) => ({ method: "notifications/progress", params: { progressToken, progress: 1 } }),
    "as a part of the task": (taskId) => related("notifications/progress", taskId, { progressToken: 1, progress: 1 }),
  },
  "notifications/tasks/status": {
    plain: (taskId) => ({
      method: "notifications/tasks/status",
      params: { taskId, status: "cancelled", ttl: null, createdAt: DATE, lastUpdatedAt: DATE },
    }),
  },
  "notifications/tasks": {
    plain: (taskId) => ({
      method: "notifications/tasks",
      params: { taskId, status: "cancelled", ttlMs: null, createdAt: DATE, lastUpdatedAt: DATE },
    }),
  },
  // Any request may say that it is a part of a task.
  ping: { "as a part of the task": (taskId) => related("ping", taskId) },
  "tools/list": { "as a part of the task": (taskId) => related("tools/list", taskId) },
  // No method, but a client's message: the answer to a question of a task, which names it.
  "an answer": {
    "with a result": (taskId) => ({ id: question(taskId), result: DECLINE }),
    "with a wrong result": (taskId) => ({ id: question(taskId), result: 7 }),
    "with an error": (taskId) => ({ id: question(taskId), error: { code: -32_000, message: "No" } }),
  },
  initialize: NAMES_NO_TASK,
  "server/discover": NAMES_NO_TASK,
  "completion/complete": NAMES_NO_TASK,
  "logging/setLevel": NAMES_NO_TASK,
  "prompts/get": NAMES_NO_TASK,
  "prompts/list": NAMES_NO_TASK,
  "resources/list": NAMES_NO_TASK,
  "resources/templates/list": NAMES_NO_TASK,
  "resources/read": NAMES_NO_TASK,
  "resources/subscribe": NAMES_NO_TASK,
  "resources/unsubscribe": NAMES_NO_TASK,
  "notifications/initialized": NAMES_NO_TASK,
  "notifications/roots/list_changed": NAMES_NO_TASK,
};

/** Methods that only a server sends. */
export const OF_SERVERS: ReadonlySet<string> = new Set([
  "sampling/createMessage",
  "elicitation/create",
  "roots/list",
  "notifications/elicitation/complete",
  "notifications/message",
  "notifications/prompts/list_changed",
  "notifications/resources/list_changed",
  "notifications/resources/updated",
  "notifications/tools/list_changed",
  "notifications/subscriptions/acknowledged",
]);

const DATE = "2026-01-01T00:00:00.000Z";

function question(taskId: string): string {
  return `task-input:${JSON.stringify([taskId, "name"])}`;
}

function related(method: string, taskId: string, params: object = {}): Message {
  return { method, params: { ...params, _meta: { [RELATED_TASK_META_KEY]: { taskId } } } };
}

/** Whether the message says that it is a part of a task. */
export function isRelated({ params }: Message): boolean {
  return params?.["_meta"] !== undefined;
}

/** Every message of the table. */
export const MESSAGES: readonly [name: string, (taskId: string) => Message][] = Object.entries(METHODS).flatMap(
  ([method, row]) =>
    typeof row === "string"
      ? []
      : Object.entries(row).map(
          ([how, message]) => [`${method} ${how}`, message] as [string, (taskId: string) => Message],
        ),
);
