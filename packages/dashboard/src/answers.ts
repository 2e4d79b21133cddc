import { badRequest, failureOf, Refusal } from "./failures.ts";

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  // The browser refuses to make a script or an element of a text.
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

/** Headers of every answer. */
const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
};

type Body = ConstructorParameters<typeof Response>[0];

export interface AnswerInit {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export function answer(body: Body, type: string, { status = 200, headers }: AnswerInit = {}): Response {
  return new Response(body, {
    status,
    headers: { ...HEADERS, "cache-control": "no-store", "content-type": type, ...headers },
  });
}

export function json(value: unknown, init?: AnswerInit): Response {
  return answer(JSON.stringify(value), "application/json", init);
}

export function refusal(error: unknown): Response {
  const { status, code, message } = failureOf(error);
  // 499 is no status that a server may send.
  return json({ error: { code, message } }, { status: status === 499 ? 503 : status });
}

const MAX_BODY = 1024 * 1024;

/** The JSON object that a request holds. */
export async function bodyOf(request: Request): Promise<Record<string, unknown>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BODY) throw new Refusal(413, "PAYLOAD_TOO_LARGE", "The request is larger than 1 MiB");
    chunks.push(chunk);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw badRequest("The request is no JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badRequest("The request must be a JSON object");
  return value as Record<string, unknown>;
}
