/** Where a value comes from that `redact` is asked about. */
export interface PayloadPlace {
  /** The name of the store. */
  store: string;
  taskId: string;
  /** The task's name: the tool, or the method. */
  name: string;
  owner: string | undefined;
  field: "request" | "context" | "result" | "error" | "checkpoint" | "questions" | "statusMessage" | "history";
}

const SECRET =
  /pass(word|wd|phrase)|secret|token|api[-_]?key|private[-_]?key|authorization|cookie|credential|session[-_]?id/i;
/** `progressToken` is part of the protocol. */
const NO_SECRET = /^(progressToken|max_?tokens)$/i;

export const REDACTED = "[redacted]";

/**
 * Replaces the values of keys that sound like secrets, at any depth: `password`, `apiKey`,
 * `authorization` and so on. Call it from a `redact` of your own to keep that.
 */
export function redactSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redactSecrets);
  if (typeof value !== "object" || value === null) return value;
  const copy: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    const shown = SECRET.test(key) && !NO_SECRET.test(key) && inner !== null ? REDACTED : redactSecrets(inner);
    // A key named __proto__ must stay a key.
    Object.defineProperty(copy, key, { value: shown, enumerable: true, configurable: true, writable: true });
  }
  return copy;
}
