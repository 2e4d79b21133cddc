import { copyPlain } from "./copy.ts";
import { invalid, TaskStoreError, unreadable } from "./errors.ts";
import { findNonJson, isPlainJson, type NonJson, TOO_DEEP } from "./not-json.ts";

const UNDEFINED: NonJson = { problem: "it is undefined", exactly: "it is undefined" };

/**
 * Refuses values that JSON cannot hold, and values that `JSON.stringify` would silently drop or
 * empty.
 * @throws TaskStoreError `INVALID_ARGUMENT`. The message names the kind and the place, where `*`
 * stands for a key that may be data. The message of `cause` has every key. Neither has values.
 */
export function assertJson(value: unknown, what: string): void {
  const problem = findNonJson(value);
  if (problem) throw notJson(what, problem);
}

function notJson(what: string, { problem, exactly }: NonJson): TaskStoreError {
  return invalid(`The ${what} is not JSON: ${problem}`, undefined, new TypeError(`The ${what}: ${exactly}`));
}

/**
 * Returns the JSON text of a value. For any strings it is well-formed Unicode without NUL, so every
 * database keeps it exactly. The text also isolates callers from each other.
 * @throws TaskStoreError `INVALID_ARGUMENT` for a value that JSON cannot hold,
 * `PAYLOAD_TOO_LARGE` above `maxBytes` (UTF-8).
 */
export function encodeJson(value: unknown, what: string, maxBytes = Number.POSITIVE_INFINITY): string {
  let text: string | undefined;
  try {
    // This comes first, because it finds cycles quickly. The walk then meets none.
    text = JSON.stringify(value);
  } catch {
    throw notJson(what, findNonJson(value) ?? TOO_DEEP);
  }
  if (text === undefined) throw notJson(what, findNonJson(value) ?? UNDEFINED);
  if (typeof value !== "string" && !isPlainJson(value)) assertJson(value, what);
  if (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes) {
    throw new TaskStoreError("PAYLOAD_TOO_LARGE", `The ${what} is larger than the limit of ${maxBytes} bytes`);
  }
  return text;
}

/** The first character of a payload that a codec has changed. JSON cannot begin with it. */
export const CODED = "~";
/** No stage of a codec has this id. What follows is the message of the error. */
const UNREADABLE = `${CODED}!`;

/** Whether the text is no JSON yet, because a codec has changed it. */
export function isCoded(text: unknown): text is `~${string}` {
  return typeof text === "string" && text.startsWith(CODED);
}

/**
 * Whether the text is what a codec stores. For places where other texts are no JSON and may begin
 * with the same character.
 */
export function isFrame(text: string): boolean {
  return /^~[a-zA-Z0-9-]+\|[^|]*\|[^|]*\|/.test(text);
}

/**
 * Stands for a payload that cannot be read. `decodeJson` throws for it, so that it hurts those
 * alone that need the payload.
 */
export function unreadableText(message: string): string {
  return UNREADABLE + message;
}

/** For people, in place of a text that cannot be read. */
export const UNREADABLE_TEXT = "(This text cannot be read here.)";

/**
 * A string from its JSON text, which is the string itself in quotation marks unless something in it
 * had to be escaped. In place of a text that cannot be read, it returns a sentence that says so.
 */
export function decodeString(text: string): string {
  if (isCoded(text)) return UNREADABLE_TEXT;
  return text.includes("\\") ? decodeJson<string>(text) : text.slice(1, -1);
}

/** @throws TaskStoreError `PAYLOAD_UNREADABLE` for a text that a codec has changed */
export function decodeJson<T>(text: string): T {
  if (!isCoded(text)) return JSON.parse(text) as T;
  if (!text.startsWith(UNREADABLE)) throw unreadable("a codec has changed it, and this store has none");
  throw new TaskStoreError("PAYLOAD_UNREADABLE", text.slice(UNREADABLE.length));
}

/**
 * Makes the payload of a value: its JSON text, or a copy of the object for a backend that keeps
 * objects. What a copy refuses, the JSON text accepts or refuses.
 * @throws TaskStoreError as `encodeJson`
 */
export type Encode = (value: unknown, what: string) => string;

export function encoder(keepsObjects: boolean, maxBytes: number): Encode {
  if (!keepsObjects) return (value, what) => encodeJson(value, what, maxBytes);
  return (value, what) => {
    const copy = typeof value === "object" ? copyPlain(value, maxBytes) : undefined;
    // A payload is opaque to the backend, so one type serves for both forms.
    return (copy as string | null | undefined) ?? encodeJson(value, what, maxBytes);
  };
}

/** Returns the value of a payload in either form. It belongs to the caller. */
export function decodePayload<T>(payload: string): T {
  if (typeof payload === "string") return decodeJson<T>(payload);
  return (copyPlain(payload) ?? decodeJson(JSON.stringify(payload))) as T;
}
