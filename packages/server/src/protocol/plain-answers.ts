import { isTaskStoreError } from "@mcp-task-store/core";
import { messageOf } from "@mcp-task-store/core/backend";
import { type CallToolResult, ProtocolError } from "@modelcontextprotocol/server";
import { asProtocolError, detailedTask, relatedTask, resultOf, type ShownTask } from "./wire.ts";

/** The names of the fallback tools on one server. */
export type FallbackNames = Readonly<Record<"status" | "result" | "cancel" | "answer", string>>;

/** The capabilities of a client that answers questions with a fallback tool. */
export const ANSWERS_FORMS = { elicitation: { form: {}, url: {} } };

/** The call that a model should make next. */
interface NextCall {
  tool: string;
  arguments: Record<string, unknown>;
}

/** A refusal with a sentence for the model. */
export class PlainError extends Error {}

/** The answer to a call that became a task although its client knows no tasks. */
export function ticketOf(record: ShownTask, names: FallbackNames): CallToolResult {
  const { taskId } = record.task;
  const text = `The work goes on in the background as task ${taskId}. ${invitation(resultCall(taskId, names), "to wait for its result")} ${names.status} shows how far it is, and ${names.cancel} stops it.`;
  return answer(text, record, names);
}

/** The state of a task, for a model. */
export function stateOf(record: ShownTask, names: FallbackNames, before = ""): CallToolResult {
  return answer(before + sentencesOf(record, names), record, names);
}

/** The result as the call would have given it, or the state of a task that has none. */
export function outcomeOf(record: ShownTask, names: FallbackNames): CallToolResult {
  const { status, taskId } = record.task;
  if (status === "working" || status === "input_required") return stateOf(record, names);
  try {
    const { resultType: _, ...result } = resultOf(record) as CallToolResult & { resultType?: unknown };
    return { ...result, content: result.content ?? [], _meta: { ...result._meta, ...relatedTask(taskId) } };
  } catch {
    return { ...refusalOf(sentencesOf(record, names)), _meta: relatedTask(taskId) };
  }
}

/** A failed call of a fallback tool. Its text says what to do. */
export function refusalOf(text: string): CallToolResult {
  return { content: [{ type: "text", text }], isError: true };
}

/** The sentence for a failed call; `undefined` for a failure that no sentence explains. */
export function sentenceFor(error: unknown): string | undefined {
  if (error instanceof PlainError) return error.message;
  if (!isTaskStoreError(error) && !(error instanceof ProtocolError)) return undefined;
  const { message, data } = asProtocolError(error);
  switch ((data as { code?: string } | undefined)?.code) {
    case undefined:
      return message === "Task not found"
        ? "This caller has no task with this taskId. Use a taskId exactly as a tool returned it. A task is removed some time after it has ended: call the original tool again to start over."
        : `${message}. Correct the arguments, then call this tool again.`;
    case "TASK_TERMINAL":
      return "The task has already ended, so it takes no more answers. Ask for its result.";
    case "INVALID_ARGUMENT":
    case "PAYLOAD_TOO_LARGE":
      return `${message}. Correct the arguments, then call this tool again.`;
    default:
      return "The server cannot reach its tasks at present. Wait a few seconds, then call this tool again.";
  }
}

function answer(text: string, record: ShownTask, names: FallbackNames): CallToolResult {
  const { result: _, inputRequests, ...state } = detailedTask(record);
  const questions = inputRequests !== undefined && { questions: questionsOf(record) };
  const next = nextCall(record, names);
  return {
    content: [{ type: "text", text }],
    structuredContent: { ...state, ...questions, ...(next && { next }) },
    _meta: relatedTask(record.task.taskId),
  };
}

function sentencesOf(record: ShownTask, names: FallbackNames): string {
  const { taskId, statusMessage } = record.task;
  const { status, error } = detailedTask(record) as { status: string; error?: unknown };
  const said = statusMessage === undefined ? "" : ` (${statusMessage})`;
  switch (status) {
    case "working":
      return `Task ${taskId} is still working${said}. ${invitation(resultCall(taskId, names), "to wait for its result")}`;
    case "input_required":
      return `Task ${taskId} waits for an answer from the user. Ask the user, and pass the answer on with ${names.answer}. Questions: ${JSON.stringify(questionsOf(record))}`;
    case "completed":
      return `Task ${taskId} has completed${said}. ${invitation(resultCall(taskId, names), "to get its result")}`;
    case "failed":
      return `Task ${taskId} failed and has no result: ${messageOf(error)}`;
    default:
      return `Task ${taskId} was cancelled and has no result. Call the original tool again if its result is still needed.`;
  }
}

function questionsOf({ inputRequests = {} }: ShownTask): Record<string, unknown>[] {
  return Object.entries(inputRequests).map(([key, { method, params }]) => {
    const { _meta, ...question } = params ?? {};
    return { key, method, ...question };
  });
}

function nextCall(record: ShownTask, names: FallbackNames): NextCall | undefined {
  const { taskId, status } = record.task;
  if (status === "input_required") {
    const [key] = Object.keys(record.inputRequests ?? {});
    return { tool: names.answer, arguments: { taskId, key } };
  }
  const { status: shown } = detailedTask(record);
  return shown === "working" || shown === "completed" ? resultCall(taskId, names) : undefined;
}

function resultCall(taskId: string, names: FallbackNames): NextCall {
  return { tool: names.result, arguments: { taskId } };
}

function invitation(call: NextCall, purpose: string): string {
  return `Call ${call.tool} with ${JSON.stringify(call.arguments)} ${purpose}.`;
}
