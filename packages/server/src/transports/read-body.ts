import type { CreateMcpHandlerOptions } from "@modelcontextprotocol/server";
import { type Room, refused } from "./bodies.ts";

/** How large the JSON of a request may be. */
export interface RequestLimits {
  /**
   * Objects, arrays and keys in the body of a request over HTTP. Reading and checking them takes
   * the process's time, which long strings hardly do. A larger body is refused with status 413.
   * A body that the application parsed is not counted: there its parser's limits hold.
   * @default 20_000
   */
  maxRequestParts?: number | undefined;
}

/** The SDK's default. */
const MAX_BYTES = 4 * 2 ** 20;
const MAX_PARTS = 20_000;
/** The SDK's checks are recursive, and a deeper body may overflow the stack. */
const MAX_DEPTH = 500;

type BodyOptions = RequestLimits & Pick<CreateMcpHandlerOptions, "maxRequestBodySize">;

/** A request, with its parsed body unless the SDK should read it; or the answer to it. */
export type ReadBody = { request: Request; parsedBody?: unknown } | { refusal: Response };

/**
 * Reads the body of a `POST` once, for the extension and the SDK. The SDK answers a body that is no
 * JSON.
 * @param parsedBody The body as the application has parsed it, if it has.
 * @param room Taken for the length that the request declares, and otherwise while it is read.
 */
export async function readBody(
  request: Request,
  parsedBody: unknown,
  { maxRequestParts: maxParts = MAX_PARTS, maxRequestBodySize: maxBytes = MAX_BYTES }: BodyOptions,
  room: Room,
): Promise<ReadBody> {
  const length = lengthOf(request);
  const full = length === undefined ? undefined : room.take(length);
  if (full) return { refusal: full };
  if (parsedBody !== undefined) return { request, parsedBody };
  if (request.method.toUpperCase() !== "POST" || !request.body || request.bodyUsed) return { request };
  if (length !== undefined && length > maxBytes) return { refusal: tooLarge(`${maxBytes} bytes`) };
  let text: string | Response;
  try {
    text = await textOf(request.body, maxBytes, length === undefined ? room : undefined);
  } catch {
    const message = "Parse error: the request body could not be read";
    return { refusal: refused(400, { code: -32700, message }) };
  }
  if (typeof text !== "string") return { refusal: text };
  const excess = excessOf(text, maxParts);
  if (excess) return { refusal: tooLarge(excess) };
  try {
    return { request, parsedBody: JSON.parse(text) };
  } catch {
    const { method, headers, signal } = request;
    return { request: new Request(request.url, { method, headers, body: text, signal }) };
  }
}

/** The length that the request declares. The HTTP server holds the body to it. */
function lengthOf({ headers }: Request): number | undefined {
  const text = headers.get("content-length");
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** The text, or the response that refuses it. */
async function textOf(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  room: Room | undefined,
): Promise<string | Response> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  // A loop that is left cancels the rest.
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    const full = room?.take(chunk.byteLength);
    if (full) return full;
    if (bytes > maxBytes) return tooLarge(`${maxBytes} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/**
 * What the text has too much of, if it does. Counts the openings and colons outside of strings.
 */
function excessOf(text: string, maxParts: number): string | undefined {
  let parts = 0;
  let depth = 0;
  for (let index = 0; index < text.length; index += 1)
    switch (text[index]) {
      case '"':
        index = endOfString(text, index);
        break;
      case "{":
      case "[":
        depth += 1;
        if (depth > MAX_DEPTH) return `${MAX_DEPTH} levels`;
        parts += 1;
        break;
      case "}":
      case "]":
        depth -= 1;
        break;
      case ":":
        parts += 1;
        if (parts > maxParts) return `${maxParts} objects, arrays and keys`;
    }
  return parts > maxParts ? `${maxParts} objects, arrays and keys` : undefined;
}

/** The index of the closing quotation mark, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end;
    while (text[before - 1] === "\\") before -= 1;
    // After an even number of backslashes, the mark is not escaped.
    if ((end - before) % 2 === 0) return end;
  }
  return text.length;
}

function tooLarge(limit: string): Response {
  return refused(413, { code: -32000, message: `Payload Too Large: Request body must not exceed ${limit}` });
}
