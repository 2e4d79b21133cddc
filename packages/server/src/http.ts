import {
  CLIENT_CAPABILITIES_META_KEY,
  type CreateMcpHandlerOptions,
  createMcpHandler,
  type McpHandlerRequestOptions,
  type McpHttpHandler,
  type McpServerFactory,
  ProtocolError,
  ProtocolErrorCode,
  type RequestId,
} from "@modelcontextprotocol/server";
import { declaresTasks, missingTasksCapability } from "./callers.ts";
import type { Shared } from "./shared.ts";
import { type Listen, TaskSubscription, taskIdsOf } from "./subscription.ts";
import { refusal } from "./wire.ts";

const KEEP_ALIVE_MS = 15_000;

/** A frame of an event stream without the blank line that ends it, and the JSON-RPC message in it, if any. */
interface Frame {
  text: string;
  message: { id?: unknown; method?: string; params?: Record<string, unknown>; result?: unknown } | undefined;
}

/**
 * The SDK's handler, whose `subscriptions/listen` does not know tasks: for a stream that names some, it still makes all checks and the acknowledgement, and
 * we add the tasks to it.
 */
export function handlerWithTasks(
  shared: Shared,
  factory: McpServerFactory,
  options: CreateMcpHandlerOptions,
  maxTasks: number,
): McpHttpHandler {
  const inner = createMcpHandler(factory, options);
  const open = new Set<TaskStream>();
  const fetch = async (request: Request, requestOptions?: McpHandlerRequestOptions): Promise<Response> => {
    const listen = await listenOf(request, requestOptions?.parsedBody, options.maxRequestBodySize);
    if (!listen) return inner.fetch(request, requestOptions);
    const response = await inner.fetch(request, requestOptions);
    // The SDK refused it.
    if (!response.body || !response.headers.get("content-type")?.startsWith("text/event-stream")) return response;
    const caller = { authInfo: requestOptions?.authInfo, request };
    const owner = refusalOf(listen, open.size >= (options.maxSubscriptions ?? 1024)) ?? shared.ownerOrError(caller);
    if (typeof owner !== "string") {
      await response.body.cancel();
      return owner instanceof Response ? owner : Response.json(refusal(listen.id, owner), { status: 500 });
    }
    const taskIds = (taskIdsOf(listen) ?? []).slice(0, maxTasks);
    const stream = new TaskStream(shared, owner, listen.id, taskIds, response.body, () => open.delete(stream));
    open.add(stream);
    stream.keepAlive(options.keepAliveMs ?? KEEP_ALIVE_MS);
    request.signal.addEventListener("abort", () => stream.end(), { once: true });
    if (request.signal.aborted) stream.end();
    return new Response(stream.body, { status: response.status, headers: response.headers });
  };
  const close = async () => {
    // The SDK first: it says farewell on those of its streams that are still open.
    await inner.close();
    await Promise.all([...open].map((stream) => stream.close()));
  };
  return { ...inner, fetch, close };
}

/** The request, if it is a `subscriptions/listen` that names tasks. A 2026-07-28 request says its method in a header. */
async function listenOf(request: Request, parsedBody: unknown, maxBytes = 4 * 2 ** 20): Promise<Listen | undefined> {
  if (request.headers.get("mcp-method") !== "subscriptions/listen") return undefined;
  try {
    const message: unknown = parsedBody ?? JSON.parse(await textOf(request, maxBytes));
    return taskIdsOf(message) === undefined ? undefined : (message as Listen);
  } catch {
    return undefined;
  }
}

/** The body, which the SDK will read as well, as far as it would. */
async function textOf(request: Request, maxBytes: number): Promise<string> {
  const reader = request.clone().body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let bytes = 0; ; ) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) return text;
    bytes += value.byteLength;
    if (bytes > maxBytes) {
      // Settles only when the SDK has had enough, too.
      reader?.cancel().catch(() => undefined);
      return "";
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** @see SEP-2663, "Task Status Notifications": the capability is needed here as for the methods */
function refusalOf({ id, params }: Listen, full: boolean): Response | undefined {
  if (!declaresTasks(params._meta?.[CLIENT_CAPABILITIES_META_KEY]))
    return Response.json(refusal(id, missingTasksCapability()), { status: 400 });
  if (!full) return undefined;
  return Response.json(refusal(id, new ProtocolError(ProtocolErrorCode.InternalError, "Subscription limit reached")));
}

/** The SDK's stream, with tasks in it. */
class TaskStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly #id: RequestId;
  readonly #source: ReadableStreamDefaultReader<Uint8Array>;
  readonly #subscription: TaskSubscription;
  readonly #onEnd: () => void;
  readonly #done: Promise<void>;
  readonly #encoder = new TextEncoder();
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  /** Somebody waits until the client has read. */
  #room: PromiseWithResolvers<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The frame with which the SDK ended its part, if it did. */
  #farewell: string | undefined;
  #ended = false;

  constructor(
    shared: Shared,
    owner: string,
    id: RequestId,
    taskIds: readonly string[],
    source: ReadableStream<Uint8Array>,
    onEnd: () => void,
  ) {
    this.#id = id;
    this.#onEnd = onEnd;
    this.#source = source.getReader();
    this.#subscription = new TaskSubscription(shared, owner, id, (message) => {
      this.#write(frameOf(message));
      return this.#roomForMore();
    });
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#goOn(),
      cancel: () => this.end(),
    });
    this.#done = this.#pump(taskIds).catch((error: Error) => {
      shared.onError(error);
      this.end();
    });
  }

  keepAlive(ms: number): void {
    if (ms > 0) this.#timer = setInterval(() => this.#lags || this.#write(": keepalive"), ms).unref();
  }

  /** Follows no more tasks, and ends when the SDK's part has ended. */
  async close(): Promise<void> {
    this.#subscription.close();
    await this.#done;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    this.#subscription.close();
    this.#goOn();
    this.#source.cancel().catch(() => undefined);
    try {
      this.#controller.close();
    } catch {
      // The reader has gone already.
    }
    this.#onEnd();
  }

  async #pump(taskIds: readonly string[]): Promise<void> {
    const followed = this.#subscription.open(taskIds);
    for await (const frame of framesOf(this.#source)) {
      const { message } = frame;
      if (message?.method === "notifications/subscriptions/acknowledged") {
        const { params = {} } = message;
        const notifications = { ...(params["notifications"] as object), taskIds: await followed };
        this.#write(frameOf({ ...message, params: { ...params, notifications } }));
        this.#subscription.acknowledged();
      } else if (message?.result !== undefined && message.id === this.#id) this.#farewell = frame.text;
      else this.#write(frame.text);
    }
    // The SDK is done: it had nothing else to tell, or it was closed. Tasks may still change.
    if (this.#farewell !== undefined) {
      await this.#subscription.ended;
      this.#write(this.#farewell);
    }
    this.end();
  }

  /** Waits for the client to read, if it lags: what changes meanwhile is then told once, and not piled up here. */
  async #roomForMore(): Promise<void> {
    if (this.#ended || !this.#lags) return;
    this.#room ??= Promise.withResolvers();
    await this.#room.promise;
  }

  #goOn(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  get #lags(): boolean {
    return (this.#controller.desiredSize ?? 1) <= 0;
  }

  #write(frame: string): void {
    if (!this.#ended) this.#controller.enqueue(this.#encoder.encode(`${frame}\n\n`));
  }
}

function frameOf(message: unknown): string {
  return `event: message\ndata: ${JSON.stringify(message)}`;
}

async function* framesOf(source: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Frame> {
  const decoder = new TextDecoder();
  let rest = "";
  while (true) {
    const { done, value } = await source.read();
    if (done) return;
    const frames = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = frames.pop() ?? "";
    for (const text of frames) {
      const data = /^data: (.*)$/m.exec(text)?.[1];
      yield { text, message: data === undefined ? undefined : (JSON.parse(data) as Frame["message"]) };
    }
  }
}
