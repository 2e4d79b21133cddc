import { types } from "node:util";
import { read } from "./errors.ts";
import { assertJson } from "./json.ts";
import type { ErrorObject } from "./task.ts";

/** JSON-RPC's code for an internal error. @see JSON-RPC 2.0, section 5.1 */
export const INTERNAL_ERROR = -32603;
/**
 * Names of the classes with which core and the SDKs throw JSON-RPC errors. Two copies of a package
 * have two classes, but one name.
 */
const RPC_ERRORS: ReadonlySet<unknown> = new Set(["JsonRpcError", "ProtocolError", "McpError"]);
/** Codes that JSON-RPC and MCP keep for themselves. @see JSON-RPC 2.0, section 5.1 */
const RESERVED = { from: -32768, to: -32000 } as const;
/**
 * Longest message of a JSON-RPC error, in UTF-16 code units. It is the task's status message too,
 * which every list shows.
 */
const MAX_MESSAGE = 8192;
/** How many errors of an `AggregateError` a message names, at most. */
const MAX_ERRORS = 5;

/**
 * The code of a JSON-RPC error, from any copy of a package and any realm. `undefined` for
 * everything else.
 *
 * An error of the SDK or of core and an object `{ code, message }` may have any integer. The code
 * of any other error counts only in the reserved range. Codes outside it are exit codes, HTTP and
 * gRPC statuses, and numbers of `DOMException` and of databases.
 */
export function rpcCodeOf(thrown: unknown): number | undefined {
  const code = read(thrown, "code");
  if (!Number.isSafeInteger(code) || typeof read(thrown, "message") !== "string") return undefined;
  const meant =
    isOfRpcClass(thrown) || !isError(thrown) || ((code as number) >= RESERVED.from && (code as number) <= RESERVED.to);
  return meant ? (code as number) : undefined;
}

/** Whether the error's own name, or that of a class it is derived from, is a JSON-RPC error's. */
function isOfRpcClass(thrown: unknown): boolean {
  if (RPC_ERRORS.has(read(thrown, "name"))) return true;
  for (let at = read(thrown, "__proto__"); at; at = read(at, "__proto__"))
    if (RPC_ERRORS.has(read(read(at, "constructor"), "name"))) return true;
  return false;
}

function isError(thrown: unknown): boolean {
  return types.isNativeError(thrown) || typeof read(thrown, "stack") === "string";
}

/**
 * The message of a thrown value. It leaves out `cause` and all other properties, because drivers
 * put addresses and statements there.
 */
export function messageOf(thrown: unknown): string {
  if (typeof thrown === "function") return "A function was thrown";
  if (typeof thrown !== "object" || thrown === null) return String(thrown);
  const message = read(thrown, "message");
  const own = typeof message === "string" || typeof message === "number" ? String(message) : "";
  const errors = errorsOf(thrown);
  if (errors !== "") return own === "" ? errors : `${own}: ${errors}`;
  return own !== "" ? own : nameOf(thrown);
}

/** The messages of the errors in an `AggregateError`. Its own message is often empty. */
function errorsOf(thrown: object): string {
  const errors = read(thrown, "errors");
  if (!Array.isArray(errors) || !isError(thrown)) return "";
  const told = errors.slice(0, MAX_ERRORS).map((error) => {
    const message = read(error, "message") ?? error;
    return typeof message === "string" && message !== "" ? message : nameOf(error);
  });
  const more = errors.length - told.length;
  return [...new Set(told), ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}

function nameOf(thrown: unknown): string {
  if (typeof thrown !== "object" || thrown === null) return String(thrown);
  try {
    const text = String(thrown);
    if (!text.startsWith("[object ")) return text;
  } catch {
    // The object has no prototype, or a toString that throws.
  }
  const name = read(thrown, "name");
  return typeof name === "string" && name !== "" ? name : "An object without a message was thrown";
}

/** The JSON-RPC error for a thrown value. Never throws, for any value. */
export function errorObjectOf(thrown: unknown): ErrorObject {
  const message = messageOf(thrown);
  const data = dataOf(thrown);
  return {
    code: rpcCodeOf(thrown) ?? INTERNAL_ERROR,
    message: message.length <= MAX_MESSAGE ? message : `${message.slice(0, MAX_MESSAGE)}...`,
    ...(data === undefined ? {} : { data }),
  };
}

/** The `data` of a thrown value, if it is JSON. */
function dataOf(thrown: unknown): unknown {
  const data = read(thrown, "data");
  try {
    assertJson(data, "data");
    return data;
  } catch {
    return undefined;
  }
}
