import type { ExtensionContext } from "../extension-context.ts";
import type { TaskCaller } from "../options.ts";
import type { Full } from "../places.ts";
import { asProtocolError } from "../protocol/wire.ts";

/** Seconds after which a client may repeat a request that found no room for its body. */
const RETRY_AFTER_S = 1;
const STATUS: Readonly<Record<Full, number>> = { owner: 429, server: 503 };

/** Node aborts the signal of a request only while the request that it was made of is referenced. */
const ORIGINALS = new WeakMap<Request, Request>();

/** A request whose body has its place among the bytes that the server holds. */
export interface Admitted {
  /** The request to answer. A body of unknown length is counted while it is read. */
  readonly request: Request;
  /** The response for a body that had no room as it arrived. */
  refused(): Response | undefined;
  free(): void;
}

/**
 * Gives the body of a request its place, or returns the response that refuses it.
 * @param whole The body has been read already.
 */
export function admitBody(
  extension: ExtensionContext,
  { request = new Request("http://localhost"), ...caller }: TaskCaller,
  whole: boolean,
): Admitted | Response {
  const { bodies } = extension;
  const owner = extension.countedAs({ ...caller, request });
  const frees: (() => void)[] = [];
  let full: Full | undefined;
  const take = (bytes: number): boolean => {
    full = bodies.fullFor(owner, bytes);
    if (full === undefined) frees.push(bodies.take(owner, bytes));
    return full === undefined;
  };
  const response = (): Response | undefined => {
    if (full === undefined) return undefined;
    const { code, message, data } = asProtocolError(bodies.error(full));
    const headers = { "retry-after": String(RETRY_AFTER_S) };
    return Response.json(
      { jsonrpc: "2.0", id: null, error: { code, message, data } },
      { status: STATUS[full], headers },
    );
  };
  const admitted = (answered: Request): Admitted => ({
    request: answered,
    refused: response,
    free: () => {
      for (const free of frees) free();
    },
  });
  const length = lengthOf(request);
  if (length !== undefined || whole || request.body === null)
    return take(length ?? 0) ? admitted(request) : (response() as Response);
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      if (take(chunk.byteLength)) controller.enqueue(chunk);
      else controller.error(new Error("There is no room for the request"));
    },
  });
  const init = { body: request.body.pipeThrough(counter), duplex: "half" };
  const counted = new Request(request, init as RequestInit);
  ORIGINALS.set(counted, request);
  return admitted(counted);
}

/** The length that the request declares. The HTTP server holds the body to it. */
function lengthOf({ headers }: Request): number | undefined {
  const text = headers.get("content-length");
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}
