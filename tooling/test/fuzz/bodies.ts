import fc from "fast-check";
import { ABLE, envelope } from "../serving/support/rpc.ts";
import { hostileJson, hostileText } from "./hostile.ts";

/** What a client sends: text or bytes, and the headers that go with them over HTTP. */
export interface Message {
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly headers: Record<string, string>;
}

/** The parameters of a well-formed request, by method. */
const REQUESTS: Record<string, object> = {
  "tools/call": { name: "work", arguments: { a: 1 }, task: { ttl: 60_000 } },
  "tools/list": {},
  "tasks/get": { taskId: "unknown" },
  "tasks/update": { taskId: "unknown", inputResponses: { a: { action: "accept", content: {} } } },
  "tasks/cancel": { taskId: "unknown" },
  "tasks/result": { taskId: "unknown" },
  "tasks/list": { cursor: "c" },
  "subscriptions/listen": { notifications: { taskIds: ["unknown"] } },
  initialize: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "c", version: "1" } },
  "server/discover": {},
  ping: {},
  "notifications/cancelled": { requestId: 1 },
  "completion/complete": {},
};

const modern = fc.boolean();
const method = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...Object.keys(REQUESTS)) },
  { weight: 1, arbitrary: hostileText },
);

/** A request in which some values were replaced, removed or added. */
const changed = fc
  .record({
    method,
    modern,
    id: fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1 }) }, { weight: 1, arbitrary: hostileJson }),
    changes: fc.array(
      fc.record({
        at: fc.nat(),
        change: fc.constantFrom("replace", "remove", "add"),
        key: hostileText,
        value: hostileJson,
      }),
      { maxLength: 3 },
    ),
  })
  .map((drawn) => {
    const params = {
      ...copyOf(Object.hasOwn(REQUESTS, drawn.method) ? REQUESTS[drawn.method] : {}),
      ...(drawn.modern ? { _meta: copyOf(envelope(ABLE)) } : {}),
    };
    const request: Record<string, unknown> = { jsonrpc: "2.0", id: drawn.id, method: drawn.method, params };
    for (const { at, change, key, value } of drawn.changes) {
      const places = placesOf(request);
      const [holder, name] = places[at % places.length] ?? [request, "method"];
      if (change === "remove") delete holder[name];
      else define(holder, change === "add" ? key : name, copyOf(value));
    }
    return { ...drawn, request };
  });

/** The same as text, which may be cut, or doubled in a batch, or have a key twice. */
export const messages: fc.Arbitrary<Message> = fc
  .record({
    changed,
    form: fc.constantFrom("plain", "plain", "plain", "batch", "cut", "twice", "bytes", "garbage"),
    garbage: hostileText,
    session: fc.option(hostileText, { nil: undefined, freq: 5 }),
  })
  .map(({ changed: { request, method: named, modern: isModern }, form, garbage, session }) => {
    const text = JSON.stringify(request);
    const name =
      (request["params"] as Record<string, unknown> | undefined)?.["taskId"] ??
      (named === "tools/call" ? "work" : undefined);
    const headers = {
      "mcp-protocol-version": isModern ? "2026-07-28" : "2025-11-25",
      ...(isModern ? { "mcp-method": named } : {}),
      ...(isModern && typeof name === "string" ? { "mcp-name": name } : {}),
      ...(session === undefined ? {} : { "mcp-session-id": session }),
    };
    return { body: bodyOf(text, form, garbage), headers: sendable(headers) };
  });

function bodyOf(text: string, form: string, garbage: string): Message["body"] {
  switch (form) {
    case "batch":
      return `[${text},${text}]`;
    case "cut":
      return text.slice(0, Math.floor(text.length / 2));
    case "twice":
      return text.replace("{", `{"id":7,"params":{},"__proto__":{"a":1},`);
    case "bytes": {
      const bytes = new TextEncoder().encode(text);
      bytes[Math.floor(bytes.length / 2)] = 0xff;
      return bytes;
    }
    case "garbage":
      return garbage;
    default:
      return text;
  }
}

type Place = [holder: Record<string, unknown>, name: string];

/** Down to the fields of a capability. */
function placesOf(value: unknown, levels = 5): Place[] {
  if (typeof value !== "object" || value === null || levels === 0) return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((name) => [[holder, name] as Place, ...placesOf(holder[name], levels - 1)]);
}

/** Values are drawn once and used in several messages. */
function copyOf<Value>(value: Value): Value {
  return JSON.parse(JSON.stringify(value));
}

/** Also for `__proto__`, which an assignment would not add. */
function define(holder: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
}

/** The headers that HTTP can carry. */
function sendable(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => /^[\x20-\x7e]*$/.test(value)));
}
