import { copyPlain } from "./copy.ts";
import { invalid, TaskStoreError } from "./errors.ts";
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

/**
 * A string from its JSON text, which is the string itself in quotation marks unless something in it
 * had to be escaped.
 */
export function decodeString(text: string): string {
  return text.includes("\\") ? decodeJson<string>(text) : text.slice(1, -1);
}

export function decodeJson<T>(text: string): T {
  return JSON.parse(text) as T;
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
