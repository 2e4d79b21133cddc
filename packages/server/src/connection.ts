import { type InputRequest, isTerminal, type Task, type TaskRecord } from "@mcp-task-store/core";
import type {
  JSONRPCMessage,
  McpServer,
  ProtocolError,
  RequestId,
  ServerContext,
  Transport,
} from "@modelcontextprotocol/server";
import { ANSWER_ERROR, checkAnswers } from "./answers.ts";
import { isModern, type TaskCaller } from "./callers.ts";
import { isOver, type Shared } from "./shared.ts";
import { relatedTask } from "./wire.ts";

/** How a question's JSON-RPC id begins; the rest says which it is, so that any server knows where its answer belongs. */
const QUESTION = "task-input:";
/** Polls that a client may take to ask for `tasks/result`, before a question goes out without. */
const PATIENCE_POLLS = 3;
const PATIENCE_DEFAULT_MS = 1000;

type Send = Transport["send"];

/**
 * What passes between one server and its client besides answers: for clients of 2025-11-25, the questions of tasks and `notifications/tasks/status`.
 *
 * A question is sent with an id of its own instead of through the SDK's `request`: over Streamable HTTP without sessions the answer
 * comes to another server than the one that asked, maybe in another process.
 */
export class Connection {
  readonly #shared: Shared;
  readonly #mcp: McpServer;
  /** Questions that went out, by JSON-RPC id, and are not answered yet as far as this connection knows. */
  readonly #asked = new Set<string>();
  readonly #followed = new Map<string, () => void>();
  #closed = false;

  constructor(shared: Shared, mcp: McpServer) {
    this.#shared = shared;
    this.#mcp = mcp;
    const { server } = mcp;
    const connect = server.connect.bind(server);
    server.connect = async (transport) => {
      this.#closed = false;
      transport.send = outgoing(transport.send.bind(transport));
      await connect(transport);
      this.#receive(transport);
    };
  }

  /** Takes the answers to questions before the SDK, which does not know them, reports them as errors. */
  #receive(transport: Transport): void {
    const { onmessage, onclose } = transport;
    transport.onmessage = (message, extra) => {
      const question = questionOf(message);
      if (!question) return onmessage?.(withoutMalformedAnswers(message), extra);
      this.#asked.delete((message as { id: string }).id);
      const caller = { authInfo: extra?.authInfo, sessionId: transport.sessionId, request: extra?.request };
      this.#answer(question, message, caller).catch((error: Error) => this.#shared.onError(error));
      return undefined;
    };
    transport.onclose = () => {
      this.#closed = true;
      for (const unfollow of [...this.#followed.values()]) unfollow();
      onclose?.();
    };
  }

  async #answer({ taskId, key }: Question, message: JSONRPCMessage, caller: TaskCaller): Promise<void> {
    const owner = this.#shared.ownerOf(caller);
    const record = await this.#shared.store.getRecord(taskId, { owner });
    if (!record) return;
    let answer: unknown =
      "result" in message ? message.result : { [ANSWER_ERROR]: (message as { error: unknown }).error };
    try {
      if ("result" in message) checkAnswers(record.inputRequests, { [key]: answer });
    } catch (error) {
      // It came as an answer, which cannot be refused: whoever asked is to know.
      const { code, message: text } = error as ProtocolError;
      answer = { [ANSWER_ERROR]: { code, message: text } };
    }
    await this.#shared.store.provideInputs(taskId, { [key]: answer }, { owner });
  }

  /**
   * Asks the client what the task waits for, on the stream of a request or else on the connection's own.
   * @see MCP 2025-11-25, Tasks, "Input Required Status"
   */
  async ask(record: TaskRecord, during?: RequestId): Promise<string[]> {
    const { taskId } = record.task;
    const ids: string[] = [];
    for (const [key, question] of Object.entries(record.inputRequests)) {
      const id = QUESTION + JSON.stringify([taskId, key]);
      if (this.#asked.has(id)) continue;
      this.#asked.add(id);
      ids.push(id);
      await this.#send(asRequest(id, taskId, question), during);
    }
    return ids;
  }

  /** The stream on which these went out has ended; without an answer they may be asked again. */
  forget(ids: readonly string[]): void {
    for (const id of ids) this.#asked.delete(id);
  }

  /**
   * Tells the client how a task goes on that it made here, as long as it is connected.
   * @see MCP 2025-11-25, Tasks, "Task Status Notification"
   */
  follow({ taskId, pollInterval = PATIENCE_DEFAULT_MS }: Task, ctx: ServerContext): void {
    // Without a session, the connection ends with the answer to this request.
    if (isModern(ctx) || (ctx.http && ctx.sessionId === undefined)) return;
    const owner = this.#shared.ownerOf(ctx);
    const unfollowed = new AbortController();
    const { signal } = unfollowed;
    let patience: NodeJS.Timeout | undefined;
    const end = () => {
      clearTimeout(patience);
      unfollowed.abort();
      this.#followed.delete(taskId);
    };
    const ask = async () => {
      const record = await this.#shared.store.getRecord(taskId, { owner });
      if (!record || this.#closed) return;
      const ids = await this.ask(record);
      // Nobody can tell whether this session's own stream is open: `tasks/result` may ask again.
      if (ctx.http) this.forget(ids);
    };
    const changed = ({ task, revision }: { task: Task; revision: number }) => {
      clearTimeout(patience);
      if (this.#closed) return;
      // The client knows the first state from the answer to its call.
      if (revision > 1) this.#notify(task);
      if (isTerminal(task.status)) return end();
      if (task.status !== "input_required") return;
      // Some clients ask for `tasks/result` only when the task has ended.
      patience = setTimeout(() => void ask().catch(this.#shared.onError), PATIENCE_POLLS * pollInterval);
      patience.unref();
    };
    this.#followed.set(taskId, end);
    const { store, onError } = this.#shared;
    store
      .subscribe(changed, { taskId, owner })
      .then((unsubscribe) => {
        if (signal.aborted) unsubscribe();
        else signal.addEventListener("abort", unsubscribe);
      })
      .catch(onError);
    // That a task expires is no change, but only a wait tells.
    store.waitForTask(taskId, { owner, signal }).catch((error: unknown) => isOver(error) && end());
  }

  #notify(task: Task): void {
    const message: JSONRPCMessage = { jsonrpc: "2.0", method: "notifications/tasks/status", params: { ...task } };
    this.#send(message).catch(this.#shared.onError);
  }

  async #send(message: JSONRPCMessage, during?: RequestId): Promise<void> {
    await this.#mcp.server.transport?.send(message, during === undefined ? {} : { relatedRequestId: during });
  }
}

/** Answers that are no object are none at all; the SDK would make an empty object of them. @see SEP-2663, "Task Update Requests" */
function withoutMalformedAnswers(message: JSONRPCMessage): JSONRPCMessage {
  if (!("method" in message) || message.method !== "tasks/update") return message;
  const { inputResponses, ...params } = message.params ?? {};
  const wellFormed = typeof inputResponses === "object" && inputResponses !== null && !Array.isArray(inputResponses);
  return wellFormed ? message : ({ ...message, params } as JSONRPCMessage);
}

interface Question {
  taskId: string;
  key: string;
}

function questionOf(message: JSONRPCMessage): Question | undefined {
  if ("method" in message || typeof message.id !== "string" || !message.id.startsWith(QUESTION)) return undefined;
  try {
    const [taskId, key] = JSON.parse(message.id.slice(QUESTION.length)) as unknown[];
    return typeof taskId === "string" && typeof key === "string" ? { taskId, key } : undefined;
  } catch {
    return undefined;
  }
}

function asRequest(id: string, taskId: string, { method, params }: InputRequest): JSONRPCMessage {
  const _meta = { ...(params?.["_meta"] as object | undefined), ...relatedTask(taskId) };
  return { jsonrpc: "2.0", id, method, params: { ...params, _meta } };
}

/** The SDK gives each result of `tools/call` a `content`; a task has none. */
function outgoing(send: Send): Send {
  return (message, options) => {
    if (!("result" in message)) return send(message, options);
    const { content, ...result } = message.result as { content?: unknown; task?: unknown; resultType?: unknown };
    const isTask = result.resultType === "task" || (result.task !== undefined && Array.isArray(content));
    return send(isTask ? ({ ...message, result } as JSONRPCMessage) : message, options);
  };
}
