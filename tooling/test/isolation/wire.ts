/** A caller, as a server's authentication knows it. */
export interface Caller {
  readonly name: string;
  /** The user of the token; `undefined`: a token without a user. */
  readonly user?: string | undefined;
  /** @default "app" */
  readonly client?: string;
  /** No token at all. */
  readonly anonymous?: boolean;
  /** Sends its requests in the session of the task's owner, where a transport has sessions. */
  readonly intrudes?: boolean;
}

export const OWNER: Caller = { name: "the owner", user: "ad\u00e4" };

/** Callers who are not the owner. Some look like it to a careless comparison. */
export const STRANGERS: readonly Caller[] = [
  { name: "another user", user: "bob" },
  { name: "an anonymous caller", anonymous: true },
  { name: "a token without a user" },
  { name: "an empty user", user: "" },
  { name: "a user in the owner's session", user: "eve", intrudes: true },
  { name: "an anonymous caller in the owner's session", anonymous: true, intrudes: true },
  { name: "__proto__", user: "__proto__" },
  { name: "constructor", user: "constructor" },
  { name: "the owner in capitals", user: "AD\u00c4" },
  { name: "the owner in another normal form", user: "ada\u0308" },
  { name: "the owner without the accent", user: "ada" },
  { name: "the owner and a space", user: "ad\u00e4 " },
  { name: "the owner and a NUL", user: "ad\u00e4\0" },
  { name: "a pattern", user: "%" },
  { name: "a lone surrogate", user: "ad\ud800" },
  { name: "the owner as the store has it", user: '["app","ad\u00e4"]' },
  { name: "the reserved owner", user: "(anonymous)" },
  { name: "a user longer than a key", user: "ad\u00e4".repeat(200) },
  { name: "the owner's name under another client", user: OWNER.user, client: "other" },
];

export type Generation = "2026-07-28" | "2025-11-25";

/** A JSON-RPC message without `jsonrpc` and `id`. */
export interface Message {
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  /** Of an answer to a question. */
  readonly id?: string;
  readonly result?: unknown;
  readonly error?: unknown;
}

/** A server behind one transport, and raw clients of it. */
export interface Wire extends AsyncDisposable {
  readonly generation: Generation;
  /** Sends a message, and returns everything that comes back, as text. */
  exchange(caller: Caller, message: Message, expects: Expects): Promise<string>;
}

/** `silence`: the SDK sends no answer to this message. */
export type Expects = "answer" | "silence";

let sent = 0;

/** The message as it goes out. Only requests have an id of their own. */
export function outgoing(message: Message): { id: string; body: Record<string, unknown> } {
  sent += 1;
  const id = message.id ?? `request-${String(sent).padStart(8, "0")}`;
  const isNotification = message.method?.startsWith("notifications/");
  return { id, body: { jsonrpc: "2.0", ...(isNotification ? {} : { id }), ...message } };
}

const DIFFERING = new Set(["connection", "date", "keep-alive", "mcp-session-id"]);

/** Status, headers and body, without what differs between any two responses. */
export function transcript(response: Response, body: string): string {
  const headers = [...response.headers].filter(([name]) => !DIFFERING.has(name)).map((pair) => pair.join(": "));
  return [response.status, ...headers.toSorted(), "", body].join("\n");
}
