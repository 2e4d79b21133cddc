import { type InputRequest, isTerminal, type Task } from "@mcp-task-store/core";
import type {
  JSONRPCMessage,
  McpServer,
  MessageExtraInfo,
  ProtocolError,
  RequestId,
  ServerContext,
  Transport,
} from "@modelcontextprotocol/server";
import type { ExtensionContext } from "../extension-context.ts";
import type { TaskCaller } from "../options.ts";
import { ANSWER_ERROR, checkAnswers } from "../protocol/answers.ts";
import { isModern } from "../protocol/callers.ts";
import { isGone, relatedTask, type ShownTask } from "../protocol/wire.ts";
import { type Tap, withoutContentOfTasks, withoutMalformedAnswers } from "../sdk-seams.ts";

/**
 * Prefix of a question's JSON-RPC id. The rest names the task and the question, so that any server
 * can store the answer.
 */
const QUESTION = "task-input:";
/**
 * Poll intervals to wait for the client's `tasks/result`, before a question goes out without it.
 */
const PATIENCE_POLLS = 3;
const PATIENCE_DEFAULT_MS = 1000;

/**
 * Sends the questions of tasks and `notifications/tasks/status` to a client of 2025-11-25, between
 * the answers of one server.
 *
 * A question does not go through the SDK's `request`. Over Streamable HTTP without sessions,
 * another server than the one that asked receives the answer, maybe in another process, and
 * recognises the question by its id.
 */
export class LegacyConnection implements Tap {
  readonly #extension: ExtensionContext;
  readonly #mcp: McpServer;
  /** JSON-RPC ids of questions that this connection sent and that have no answer yet. */
  readonly #asked = new Set<string>();
  readonly #followed = new Map<string, () => void>();
  #closed = false;

  constructor(extension: ExtensionContext, mcp: McpServer) {
    this.#extension = extension;
    this.#mcp = mcp;
  }

  opened(): void {
    this.#closed = false;
  }

  outgoing(message: JSONRPCMessage): JSONRPCMessage {
    return withoutContentOfTasks(message);
  }

  /** Takes the answers to questions. The SDK, which did not ask, would report them as errors. */
  incoming(
    message: JSONRPCMessage,
    extra: MessageExtraInfo | undefined,
    { sessionId }: Transport,
  ): JSONRPCMessage | undefined {
    const question = questionOf(message);
    if (!question) return withoutMalformedAnswers(message);
    this.#asked.delete((message as { id: string }).id);
    const caller = { authInfo: extra?.authInfo, sessionId, request: extra?.request };
    this.#answer(question, message, caller).catch((error: Error) => this.#extension.onError(error));
    return undefined;
  }

  closed(): void {
    this.#closed = true;
    for (const unfollow of [...this.#followed.values()]) unfollow();
  }

  async #answer({ taskId, key }: Question, message: JSONRPCMessage, caller: TaskCaller): Promise<void> {
    const owner = this.#extension.ownerOf(caller);
    const record = await this.#extension.store.getRecord(taskId, { owner, fields: ["inputRequests"] });
    if (!record) return;
    let answer: unknown =
      "result" in message ? message.result : { [ANSWER_ERROR]: (message as { error: unknown }).error };
    try {
      if ("result" in message) checkAnswers(record.inputRequests, { [key]: answer });
    } catch (error) {
      // A response cannot be refused, so the handler that asked gets the error.
      const { code, message: text } = error as ProtocolError;
      answer = { [ANSWER_ERROR]: { code, message: text } };
    }
    await this.#extension.store.provideInputs(taskId, { [key]: answer }, { owner });
  }

  /**
   * Sends the questions of a task to the client, on the stream of a request or else on the
   * connection's own.
   * @returns The ids of the questions that went out.
   * @see MCP 2025-11-25, Tasks, "Input Required Status"
   */
  async ask({ task: { taskId }, inputRequests = {} }: ShownTask, during?: RequestId): Promise<string[]> {
    const ids: string[] = [];
    for (const [key, question] of Object.entries(inputRequests)) {
      const id = QUESTION + JSON.stringify([taskId, key]);
      if (this.#asked.has(id)) continue;
      this.#asked.add(id);
      ids.push(id);
      await this.#send(asRequest(id, taskId, question), during);
    }
    return ids;
  }

  /** The stream on which these went out has ended, so they may be asked again. */
  forget(ids: readonly string[]): void {
    for (const id of ids) this.#asked.delete(id);
  }

  /**
   * Notifies the client of changes of a task that it made here, while it is connected.
   * @see MCP 2025-11-25, Tasks, "Task Status Notification"
   */
  follow({ taskId, pollInterval = PATIENCE_DEFAULT_MS }: Task, ctx: ServerContext): void {
    // Without a session, the connection ends with the answer to this request.
    if (isModern(ctx) || (ctx.http && ctx.sessionId === undefined)) return;
    const owner = this.#extension.ownerOf(ctx);
    const free = this.#extension.waits.takeIfFree(owner);
    // Without a place, the client polls.
    if (!free) return;
    const unfollowed = new AbortController();
    const { signal } = unfollowed;
    let patience: NodeJS.Timeout | undefined;
    const end = () => {
      clearTimeout(patience);
      free();
      unfollowed.abort();
      this.#followed.delete(taskId);
    };
    const ask = async () => {
      const record = await this.#extension.store.getRecord(taskId, { owner, fields: ["inputRequests"] });
      if (!record || this.#closed) return;
      const ids = await this.ask(record);
      // The session's own stream may not be open, so `tasks/result` may ask again.
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
      patience = setTimeout(() => void ask().catch(this.#extension.onError), PATIENCE_POLLS * pollInterval);
      patience.unref();
    };
    this.#followed.set(taskId, end);
    const { store, onError } = this.#extension;
    store
      .subscribe(changed, { taskId, owner })
      .then((unsubscribe) => {
        if (signal.aborted) unsubscribe();
        else signal.addEventListener("abort", unsubscribe);
      })
      .catch(onError);
    // `subscribe` does not report an expiry. A wait rejects when the task expires.
    store.waitForTask(taskId, { owner, signal, keepAlive: false }).catch((error: unknown) => isGone(error) && end());
  }

  #notify(task: Task): void {
    const message: JSONRPCMessage = { jsonrpc: "2.0", method: "notifications/tasks/status", params: { ...task } };
    this.#send(message).catch(this.#extension.onError);
  }

  async #send(message: JSONRPCMessage, during?: RequestId): Promise<void> {
    await this.#mcp.server.transport?.send(message, during === undefined ? {} : { relatedRequestId: during });
  }
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
