import { onAbort } from "@mcp-task-store/core/backend";
import {
  CLIENT_CAPABILITIES_META_KEY,
  type CreateMcpHandlerOptions,
  createMcpHandler,
  type McpHandlerRequestOptions,
  type McpHttpHandler,
  type McpServerFactory,
} from "@modelcontextprotocol/server";
import type { ExtensionContext } from "../extension-context.ts";
import type { TaskCaller } from "../options.ts";
import { declaresTasks, missingTasksCapability } from "../protocol/callers.ts";
import { asProtocolError, refusal } from "../protocol/wire.ts";
import { isEventStream, UNLIMITED } from "../sdk-seams.ts";
import { roomFor } from "./bodies.ts";
import { type RequestLimits, readBody } from "./read-body.ts";
import { isListen, type Listen, taskIdsOf } from "./subscription.ts";
import { TaskStream } from "./task-stream.ts";

const KEEP_ALIVE_MS = 15_000;
/** Seconds after which a client may repeat a request that found the store away. */
const RETRY_AFTER_S = 5;

/**
 * The SDK's handler, with owners and tasks in `subscriptions/listen`. The SDK makes all checks and
 * the acknowledgement. The extension counts each stream, and adds the tasks to a stream that names
 * some.
 */
export function handlerWithTasks(
  extension: ExtensionContext,
  factory: McpServerFactory,
  options: CreateMcpHandlerOptions & RequestLimits,
  maxTasks: number,
): McpHttpHandler {
  const inner = createMcpHandler(factory, { ...options, ...UNLIMITED });
  const open = new Set<TaskStream>();
  // Node aborts the signal of a Request only while the request itself is referenced.
  const held = new Set<Request>();
  const fetch = async (received: Request, requestOptions: McpHandlerRequestOptions = {}): Promise<Response> => {
    const room = roomFor(extension, { authInfo: requestOptions.authInfo, request: received });
    try {
      const read = await readBody(received, requestOptions.parsedBody, options, room);
      return "refusal" in read ? read.refusal : await answer(read, requestOptions);
    } finally {
      room.free();
    }
  };
  const answer = async (
    { request, parsedBody }: { request: Request; parsedBody?: unknown },
    requestOptions: McpHandlerRequestOptions,
  ): Promise<Response> => {
    const response = await inner.fetch(request, { ...requestOptions, parsedBody });
    const listen = isListen(parsedBody) ? parsedBody : undefined;
    if (!listen) return unlessAway(extension, request, response);
    // The SDK refused the subscription.
    if (!response.body || !isEventStream(response)) return response;
    const place = admit(extension, listen, { authInfo: requestOptions.authInfo, request });
    if (place instanceof Response) {
      await response.body.cancel();
      return place;
    }
    const { owner } = place;
    held.add(request);
    let forget: (() => void) | undefined;
    const free = () => {
      held.delete(request);
      place.free();
      forget?.();
    };
    const taskIds = taskIdsOf(listen)?.slice(0, maxTasks);
    if (!taskIds) {
      forget = onAbort(request.signal, free);
      return new Response(whenEnded(response.body, free), { status: response.status, headers: response.headers });
    }
    const stream = new TaskStream(extension, owner, listen.id, taskIds, response.body, () => {
      open.delete(stream);
      free();
    });
    open.add(stream);
    stream.keepAlive(options.keepAliveMs ?? KEEP_ALIVE_MS);
    forget = onAbort(request.signal, () => stream.end());
    return new Response(stream.body, { status: response.status, headers: response.headers });
  };
  const close = async () => {
    // The SDK first: it ends its open streams with their last message.
    await inner.close();
    await Promise.all([...open].map((stream) => stream.close()));
  };
  return { ...inner, fetch, close };
}

/**
 * The owner of the stream and a way to free its place, or the response that refuses the stream.
 * @see SEP-2663, "Task Status Notifications": the capability is needed here as for the methods
 */
function admit(
  extension: ExtensionContext,
  listen: Listen,
  caller: TaskCaller,
): Response | { owner: string; free: () => void } {
  const { id, method, params } = listen;
  if (taskIdsOf(listen) && !declaresTasks(params._meta?.[CLIENT_CAPABILITIES_META_KEY]))
    return Response.json(refusal(id, missingTasksCapability(`${method} with taskIds`)), { status: 400 });
  const owner = extension.ownerOrError(caller);
  if (typeof owner !== "string") return Response.json(refusal(id, owner), { status: 500 });
  try {
    return { owner, free: extension.subscriptions.take(owner) };
  } catch (error) {
    return Response.json(refusal(id, asProtocolError(error)));
  }
}

/**
 * The response, with status 503 if the store could not be reached. A stream has begun with 200, so
 * it stays as it is.
 */
function unlessAway(extension: ExtensionContext, request: Request, response: Response): Response {
  if (!extension.mayRepeat(request) || isEventStream(response)) return response;
  const headers = new Headers(response.headers);
  headers.set("retry-after", String(RETRY_AFTER_S));
  return new Response(response.body, { status: 503, headers });
}

/** The same stream. It calls `onEnd` when it has ended or its reader has left. */
function whenEnded(source: ReadableStream<Uint8Array>, onEnd: () => void): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (!done) return controller.enqueue(value);
      onEnd();
      controller.close();
    },
    cancel(reason) {
      onEnd();
      return reader.cancel(reason);
    },
  });
}
