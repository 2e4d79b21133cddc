import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  PROTOCOL_VERSION_META_KEY,
} from "@modelcontextprotocol/server";
import { Stream } from "./stream.ts";

export const EXTENSION = "io.modelcontextprotocol/tasks";
/** Capabilities of a client that supports tasks and questions. */
export const ABLE = { elicitation: { form: {} }, sampling: {}, extensions: { [EXTENSION]: {} } };
/** Capabilities of a client without tasks. */
export const PLAIN = { elicitation: { form: {} } };
export const MISSING_CAPABILITY = {
  code: -32021,
  data: { requiredCapabilities: { extensions: { [EXTENSION]: {} } } },
};

export type Json = Record<string, unknown>;

export interface RpcError {
  code: number;
  message: string;
  data?: unknown;
}

/** A JSON-RPC response, and its raw text. */
export interface Answer {
  readonly result?: Json;
  readonly error?: RpcError;
  readonly text: string;
}

let lastId = 0;

/** `_meta` of a 2026-07-28 request. */
export function envelope(capabilities: object = ABLE): Json {
  return {
    [PROTOCOL_VERSION_META_KEY]: "2026-07-28",
    [CLIENT_INFO_META_KEY]: { name: "test", version: "1.0.0" },
    [CLIENT_CAPABILITIES_META_KEY]: capabilities,
  };
}

/** A client without a library, which sends exactly the test's messages. */
export class Peer {
  readonly url: string;
  readonly #send: (request: Request) => Promise<Response>;

  /** @param send Default: over the network. */
  constructor(url: string, send: (request: Request) => Promise<Response> = fetch) {
    this.url = url;
    this.#send = send;
  }

  /** Sends a request of 2026-07-28. */
  async ask(method: string, params: Json, capabilities: object = ABLE, signal?: AbortSignal): Promise<Answer> {
    return answerOf(await this.send(method, params, capabilities, signal));
  }

  async send(method: string, params: Json, capabilities: object = ABLE, signal?: AbortSignal): Promise<Response> {
    lastId += 1;
    const name = params["taskId"] ?? params["name"];
    const body = { jsonrpc: "2.0", id: lastId, method, params: { _meta: envelope(capabilities), ...params } };
    const headers = {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(typeof name === "string" ? { "mcp-name": name } : {}),
    };
    return this.post(body, headers, signal);
  }

  /** Sends a request of 2025-11-25, without a session. */
  async askOld(method: string, params: Json, signal?: AbortSignal): Promise<Answer> {
    lastId += 1;
    const body = { jsonrpc: "2.0", id: lastId, method, params };
    return answerOf(await this.post(body, { "mcp-protocol-version": "2025-11-25" }, signal));
  }

  post(body: object, headers: Record<string, string>, signal?: AbortSignal): Promise<Response> {
    return this.#send(
      new Request(this.url, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json, text/event-stream", ...headers },
        body: JSON.stringify(body),
        ...(signal ? { signal } : {}),
      }),
    );
  }

  /** Calls a tool, expects a task, and returns its first state. */
  async start(name: string, args: Json = {}): Promise<Json & { taskId: string }> {
    const answer = await this.ask("tools/call", { name, arguments: args });
    if (answer.result?.["resultType"] !== "task") throw new Error(`Expected a task, got ${answer.text}`);
    return answer.result as Json & { taskId: string };
  }

  /** The same for a client of 2025-11-25. */
  async startOld(name: string, task: Json = {}, args: Json = {}): Promise<Json & { taskId: string }> {
    const answer = await this.askOld("tools/call", { name, arguments: args, task });
    const made = answer.result?.["task"];
    if (typeof made !== "object") throw new Error(`Expected a task, got ${answer.text}`);
    return made as Json & { taskId: string };
  }

  get(taskId: string): Promise<Answer> {
    return this.ask("tasks/get", { taskId });
  }

  /** The task as `tasks/get` shows it. */
  async task(taskId: string): Promise<Json> {
    const { result, text } = await this.get(taskId);
    if (!result) throw new Error(`Expected a task, got ${text}`);
    const { resultType: _, _meta, ...task } = result;
    return task;
  }

  update(taskId: string, inputResponses: unknown): Promise<Answer> {
    return this.ask("tasks/update", { taskId, inputResponses });
  }

  cancel(taskId: string): Promise<Answer> {
    return this.ask("tasks/cancel", { taskId });
  }

  /** Opens a stream, and fails on any other answer. */
  async listen(taskIds: readonly string[], more: Json = {}, signal?: AbortSignal): Promise<Stream> {
    const response = this.send("subscriptions/listen", { notifications: { taskIds, ...more } }, ABLE, signal);
    const id = lastId;
    return new Stream(await response, id);
  }
}

/** The response in a JSON body, or the last message of an event stream. */
export async function answerOf(response: Response): Promise<Answer> {
  const body = await response.text();
  const text = response.headers.get("content-type")?.startsWith("text/event-stream")
    ? (body.match(/^data: \{.*$/gm)?.at(-1) ?? "").slice("data: ".length)
    : body;
  return { ...(JSON.parse(text) as Pick<Answer, "result" | "error">), text };
}

/** Removes the parts that always differ between two requests. */
export function withoutId({ text }: Answer): string {
  return text.replace(/"id":\d+/, '"id":0');
}
