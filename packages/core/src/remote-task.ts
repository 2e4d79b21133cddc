import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { InputRequest, TaskRecord } from "./contract.ts";
import { invalid } from "./errors.ts";
import { decodeJson, encodeJson } from "./json.ts";
import {
  type ErrorObject,
  isTaskStatus,
  isTerminal,
  type Result,
  type TaskStatus,
  type TerminalStatus,
} from "./task.ts";

/** What it takes to reach a remote task again after a restart: JSON. The same reference is the same task, so keep out what changes, such as tokens. */
export interface RemoteReference {
  /** As the remote server named it. */
  taskId: string;
  [key: string]: unknown;
}

/**
 * What `tasks/get` returned, of either generation.
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
  /** 2025-11-25: milliseconds since its creation that the server keeps the task; `null` = for ever. */
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
  /** The JSON-RPC error with which the task failed; with `lost`, why nothing is known of its end. */
  error?: ErrorObject | undefined;
  /**
   * The end was not seen. `unknown`: the server does not know the task, or not any more. `unreachable`: its ttl passed while it could
   * not be read. The status is then `failed`.
   */
  lost?: "unknown" | "unreachable" | undefined;
}

const LOST_KEY = "mcp-task-store/lost";
const INVALID_PARAMS = -32602;
const INTERNAL_ERROR = -32603;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The reference as it will be after a restart, and the id of the local task for it: the same for the same reference, in whatever order its keys are. */
export function localTaskOf(name: string, reference: RemoteReference): { taskId: string; reference: RemoteReference } {
  if (!isObject(reference) || typeof reference["taskId"] !== "string" || reference["taskId"] === "")
    throw invalid("A reference needs the taskId of the remote task");
  const text = encodeJson(reference, "reference");
  const sorted = JSON.stringify(decodeJson<unknown>(text), (_, value: unknown) =>
    isObject(value) ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))) : value,
  );
  const taskId = createHash("sha256").update(`${name}\n${sorted}`).digest("hex");
  return { taskId, reference: decodeJson<RemoteReference>(text) };
}

/** What a remote said, without what has the wrong type. @throws `INVALID_ARGUMENT` when it is no task */
export function checkRemote(value: unknown): RemoteTask {
  if (!isObject(value) || !isTaskStatus(value["status"])) throw invalid("The remote answered with what is no task");
  const { statusMessage, inputRequests, ...rest } = value;
  return {
    ...(rest as unknown as RemoteTask),
    ...(typeof statusMessage === "string" ? { statusMessage } : {}),
    // Through JSON, so that it compares equal with what was stored before a restart.
    ...(isObject(inputRequests)
      ? { inputRequests: decodeJson<Record<string, InputRequest>>(encodeJson(inputRequests, "input requests")) }
      : {}),
  };
}

/** The task is not as it was when it was last seen. */
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

/** What the remote wants between polls, in ms; `undefined` when it says nothing sensible. */
export function pollIntervalOf(remote: RemoteTask | undefined): number | undefined {
  const asked: unknown = remote?.pollIntervalMs ?? remote?.pollInterval;
  return typeof asked === "number" && asked >= 0 ? asked : undefined;
}

/** From then on the remote may discard the task, in ms since the epoch. @see SEP-2663, "Task Polling" */
export function ttlEndOf(remote: RemoteTask | undefined): number {
  const ttl: unknown = remote?.ttlMs ?? remote?.ttl;
  const end = typeof ttl === "number" ? Date.parse(String(remote?.createdAt)) + ttl : Number.NaN;
  return Number.isNaN(end) ? Number.POSITIVE_INFINITY : end;
}

/** How a terminal task ended, by what it says itself. */
export function inlinedOutcome(remote: RemoteTask): RemoteOutcome | undefined {
  const { statusMessage } = remote;
  const status = remote.status as TerminalStatus;
  const said = statusMessage === undefined ? {} : { statusMessage };
  if (status === "cancelled") return { status, ...said };
  if (status === "failed" && isObject(remote.error)) return { status, ...said, error: asErrorObject(remote.error) };
  return isObject(remote.result) ? { status, ...said, result: remote.result } : undefined;
}

/** The remote server says that it does not know the task. @see SEP-2663, "Protocol Errors" */
export function isUnknownTask(error: unknown): boolean {
  return isObject(error) && error["code"] === INVALID_PARAMS;
}

/**
 * The JSON-RPC error that a peer answered with. SDKs put HTTP statuses into `code` as well, and -32000 and -32001 for a
 * connection that was closed and a time-out of their own, which say nothing of the task.
 */
export function peerError(error: unknown): ErrorObject | undefined {
  if (!isObject(error) || !Number.isSafeInteger(error["code"])) return undefined;
  const code = error["code"] as number;
  if (error["name"] !== "JsonRpcError" && !(code >= -32768 && code < -32001)) return undefined;
  return asErrorObject(error);
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
      ? "The server does not know the task, or not any more"
      : "The task's ttl passed while the task could not be read";
  const code = lost === "unknown" ? INVALID_PARAMS : INTERNAL_ERROR;
  return { status: "failed", error: { code, message, data: { [LOST_KEY]: lost } }, lost };
}

export function unstorableOutcome(refusal: Error): RemoteOutcome {
  return { status: "failed", error: { code: INTERNAL_ERROR, message: refusal.message } };
}

/** The outcome as the local store has it. */
export function storedOutcome({ task, result, error }: TaskRecord): RemoteOutcome | undefined {
  if (!isTerminal(task.status)) return undefined;
  const lost = isObject(error?.data) ? error.data[LOST_KEY] : undefined;
  return {
    status: task.status,
    // An empty one stands for none.
    ...(task.statusMessage ? { statusMessage: task.statusMessage } : {}),
    ...(result === undefined ? {} : { result }),
    ...(error === undefined ? {} : { error }),
    ...(lost === "unknown" || lost === "unreachable" ? { lost } : {}),
  };
}
