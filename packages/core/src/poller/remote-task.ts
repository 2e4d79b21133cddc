import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { invalid, read } from "../contract/errors.ts";
import { decodeJson, encodeJson } from "../contract/json.ts";
import { errorObjectOf, INTERNAL_ERROR } from "../contract/json-rpc.ts";
import type { InputRequest, TaskRecord } from "../contract/record.ts";
import {
  type ErrorObject,
  isTaskStatus,
  isTerminal,
  type Result,
  type TaskStatus,
  type TerminalStatus,
} from "../contract/task.ts";

/**
 * The data with which an application reaches a remote task again after a restart. JSON. Equal
 * references mean the same task, so leave out values that change, such as tokens.
 */
export interface RemoteReference {
  /** The id that the remote server gave the task. */
  taskId: string;
  [key: string]: unknown;
}

/**
 * The result of `tasks/get`, in either generation.
 * @see MCP 2025-11-25, schema `Task`; SEP-2663, `DetailedTask`
 */
export interface RemoteTask {
  taskId: string;
  status: TaskStatus;
  statusMessage?: string | undefined;
  /** ISO 8601. */
  createdAt?: string | undefined;
  /** ISO 8601. */
  lastUpdatedAt?: string | undefined;
  /**
   * 2025-11-25: how long the server keeps the task, in milliseconds from its creation. `null` = for
   * ever.
   */
  ttl?: number | null | undefined;
  /** SEP-2663: as `ttl`. */
  ttlMs?: number | null | undefined;
  /** 2025-11-25: milliseconds to leave between two polls. */
  pollInterval?: number | undefined;
  /** SEP-2663: as `pollInterval`. */
  pollIntervalMs?: number | undefined;
  /** SEP-2663, of `input_required`: questions without an answer, by key. */
  inputRequests?: Record<string, InputRequest> | undefined;
  /** SEP-2663, of `completed`. */
  result?: Result | undefined;
  /** SEP-2663, of `failed`. */
  error?: ErrorObject | undefined;
}

/** How a remote task ended, as far as the requestor could learn. */
export interface RemoteOutcome {
  status: TerminalStatus;
  statusMessage?: string | undefined;
  /** Absent if the remote gave none, and for a cancelled task. */
  result?: Result | undefined;
  /**
   * The JSON-RPC error with which the task failed. With `lost`, it says why the end is not known.
   */
  error?: ErrorObject | undefined;
  /**
   * Set if the poller did not see the end; the status is then `failed`. `unknown`: the server does
   * not know the task, or has forgotten it. `unreachable`: the task's ttl passed while every poll
   * failed.
   */
  lost?: "unknown" | "unreachable" | undefined;
}

const LOST_KEY = "mcp-task-store/lost";
const INVALID_PARAMS = -32602;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Returns the reference as JSON gives it back after a restart, and the key of its local task. Equal
 * references have the same key, in any order of their own keys.
 */
export function keyOf(reference: RemoteReference): { key: string; reference: RemoteReference } {
  if (!isObject(reference) || typeof reference["taskId"] !== "string" || reference["taskId"] === "")
    throw invalid("A reference needs the taskId of the remote task");
  const text = encodeJson(reference, "reference");
  const sorted = JSON.stringify(decodeJson<unknown>(text), (_, value: unknown) =>
    isObject(value) ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))) : value,
  );
  // A key has a bound, and a reference has none.
  const key = createHash("sha256").update(sorted).digest("hex");
  return { key, reference: decodeJson<RemoteReference>(text) };
}

/**
 * Checks the answer of a remote, and leaves out fields of the wrong type.
 * @throws `INVALID_ARGUMENT` if the answer is not a task
 */
export function checkRemote(value: unknown): RemoteTask {
  if (!isObject(value) || !isTaskStatus(value["status"]))
    throw invalid("The answer of the remote server is not a task");
  const { statusMessage, inputRequests, ...rest } = value;
  return {
    ...(rest as unknown as RemoteTask),
    ...(typeof statusMessage === "string" ? { statusMessage } : {}),
    // Through JSON, so that it equals the questions that were stored before a restart.
    ...(isObject(inputRequests)
      ? { inputRequests: decodeJson<Record<string, InputRequest>>(encodeJson(inputRequests, "input requests")) }
      : {}),
  };
}

/** Whether the task has changed since it was last read. */
export function hasMoved(before: RemoteTask | undefined, now: RemoteTask): boolean {
  return (
    before?.status !== now.status ||
    before.statusMessage !== now.statusMessage ||
    before.lastUpdatedAt !== now.lastUpdatedAt
  );
}

export function asksAnew(before: RemoteTask | undefined, now: RemoteTask): boolean {
  return !isDeepStrictEqual(before?.inputRequests ?? {}, now.inputRequests ?? {});
}

/** The interval that the remote asks for, in ms. `undefined` if it gives no valid one. */
export function pollIntervalOf(remote: RemoteTask | undefined): number | undefined {
  const asked: unknown = remote?.pollIntervalMs ?? remote?.pollInterval;
  return typeof asked === "number" && asked >= 0 ? asked : undefined;
}

/** When the remote may discard the task, in ms since the epoch. @see SEP-2663, "Task Polling" */
export function ttlEndOf(remote: RemoteTask | undefined): number {
  const ttl: unknown = remote?.ttlMs ?? remote?.ttl;
  const end = typeof ttl === "number" ? Date.parse(String(remote?.createdAt)) + ttl : Number.NaN;
  return Number.isNaN(end) ? Number.POSITIVE_INFINITY : end;
}

/** The outcome that a terminal task holds itself, if it does. */
export function inlinedOutcome(remote: RemoteTask): RemoteOutcome | undefined {
  const { statusMessage } = remote;
  const status = remote.status as TerminalStatus;
  const said = statusMessage === undefined ? {} : { statusMessage };
  if (status === "cancelled") return { status, ...said };
  if (status === "failed" && isObject(remote.error)) return { status, ...said, error: asErrorObject(remote.error) };
  return isObject(remote.result) ? { status, ...said, result: remote.result } : undefined;
}

/**
 * Whether the error says that the remote server does not know the task. @see SEP-2663, "Protocol
 * Errors"
 */
export function isUnknownTask(error: unknown): boolean {
  return read(error, "code") === INVALID_PARAMS;
}

/**
 * The JSON-RPC error with which a peer answered. SDKs also put HTTP statuses into `code`. They use
 * -32000 and -32001 for a closed connection and for their own time-out, which say nothing about the
 * task.
 */
export function peerError(error: unknown): ErrorObject | undefined {
  const code = read(error, "code");
  if (!Number.isSafeInteger(code)) return undefined;
  const inRange = (code as number) >= -32768 && (code as number) < -32001;
  if (read(error, "name") !== "JsonRpcError" && !inRange) return undefined;
  const message = read(error, "message");
  return asErrorObject({ ...errorObjectOf(error), code, message });
}

function asErrorObject(error: object): ErrorObject {
  const { code, message, data } = error as Partial<ErrorObject>;
  return {
    code: Number.isSafeInteger(code) ? (code as number) : INTERNAL_ERROR,
    message: typeof message === "string" ? message : "The task failed",
    ...(data === undefined ? {} : { data }),
  };
}

export function lostOutcome(lost: "unknown" | "unreachable"): RemoteOutcome {
  const message =
    lost === "unknown"
      ? "The server does not know the task, or has forgotten it"
      : "The task's ttl passed while the task could not be read";
  const code = lost === "unknown" ? INVALID_PARAMS : INTERNAL_ERROR;
  return { status: "failed", error: { code, message, data: { [LOST_KEY]: lost } }, lost };
}

export function unstorableOutcome(refusal: Error): RemoteOutcome {
  return { status: "failed", error: { code: INTERNAL_ERROR, message: refusal.message } };
}

/** The outcome that the local store holds. */
export function storedOutcome({ task, result, error }: TaskRecord): RemoteOutcome | undefined {
  if (!isTerminal(task.status)) return undefined;
  const lost = isObject(error?.data) ? error.data[LOST_KEY] : undefined;
  return {
    status: task.status,
    // An empty message stands for none.
    ...(task.statusMessage ? { statusMessage: task.statusMessage } : {}),
    ...(result === undefined ? {} : { result }),
    ...(error === undefined ? {} : { error }),
    ...(lost === "unknown" || lost === "unreachable" ? { lost } : {}),
  };
}
