import { isTaskStoreError, TaskStoreError } from "@mcp-task-store/core";
import { type Advice, byAdvice, unavailable } from "@mcp-task-store/core/backend";

// By the first word of the server's answer.
const ADVICE: Advice = [
  [
    "MISCONF",
    "Redis cannot write to its disk and takes no writes: nothing was changed, make room on the server's disk",
  ],
  ["OOM", "Redis has reached maxmemory: nothing was changed, give it more memory or delete tasks"],
  ["LOADING", "Redis is still loading its data: nothing was changed, try again in a moment"],
  ["READONLY", "Redis is a read-only replica here: nothing was changed, connect to the primary"],
  ["MASTERDOWN", "Redis is a replica that has lost its primary: try again after the failover"],
  [
    "CLUSTERDOWN",
    "The Redis cluster does not serve the store's slot: nothing was changed, try again after the failover",
  ],
  [
    "MOVED",
    "The store's keys are on another node of the Redis cluster: nothing was changed, give the store a client for clusters",
  ],
  ["ASK", "The Redis cluster is moving the store's slot: nothing was changed, try again"],
  ["TRYAGAIN", "The Redis cluster is moving the store's slot: nothing was changed, try again"],
  ["NOREPLICAS", "Redis has fewer good replicas than min-replicas-to-write asks for: nothing was changed"],
  ["BUSY", "Redis is busy with a script of another application: nothing was changed, try again"],
  ["NOAUTH", "Redis wants a password: give the store one"],
  ["WRONGPASS", "Redis refused the user name or password"],
  ["NOPERM", "Redis refused a command, key or channel: allow the store's user the ones that the documentation lists"],
  ["NOPROTO", "Redis refused the protocol version"],
];

/** Redis did nothing for now, so another attempt may succeed. */
const PASSING = new Set(["LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY"]);

/** How ioredis begins the error after many answers of a cluster that led to no result. */
const REDIRECTED = /^Too many Cluster redirections\. Last error: (?:ReplyError|Error): /;

/** Redis refused the connection, and will refuse the next one for the same reason. */
const LASTING = new Set(["NOAUTH", "WRONGPASS", "NOPERM", "NOPROTO"]);

/** Redis did not run the command up to its deadline, for this reason. */
export function notRun(cause: unknown): TaskStoreError {
  return isReply(cause) ? toStoreError(cause) : unreachable(cause);
}

/** No command was sent. */
export function unreachable(cause: unknown): TaskStoreError {
  return unavailable("Redis could not be reached: nothing was changed", cause);
}

/** A command that writes was sent, and its answer was lost. */
export function unanswered(cause: unknown): TaskStoreError {
  return unavailable(
    "Redis has not answered: whether the write took effect is unknown, read the task again",
    cause,
    "unknown",
  );
}

/** The driver's error as a `TaskStoreError`, with the driver's error as its cause. */
export function toStoreError(error: unknown): TaskStoreError {
  if (isTaskStoreError(error)) return error;
  const cause = withoutCommand(error);
  if (!isReply(error)) return unanswered(cause);
  // A script that fails half-way is not rolled back, and there is no advice for it.
  return byAdvice(cause, codeOf(error), ADVICE) ?? unavailable("Redis could not do what was asked", cause, "unknown");
}

/** The same error for another call. */
export function copyOf(error: TaskStoreError): TaskStoreError {
  const { code, message, cause, write } = error;
  return new TaskStoreError(code, message, { cause, ...(write ? { write } : {}) });
}

/** The server refused the command before it ran any part. */
export function isRefusal({ cause, write }: TaskStoreError): boolean {
  return write === "not-applied" && isReply(cause);
}

export function hasCode(error: unknown, code: string): boolean {
  return codeOf(error) === code;
}

export function isPassing(error: unknown): boolean {
  return PASSING.has(codeOf(error)) || (error instanceof Error && REDIRECTED.test(error.message));
}

/** The server was a primary, and follows another one now. */
export function isDemoted(error: unknown): boolean {
  return hasCode(error, "READONLY") || hasCode(error, "MASTERDOWN");
}

export function isLasting(error: unknown): boolean {
  return LASTING.has(codeOf(error));
}

/**
 * The error is an answer of the server, not a failure of the connection. ioredis names such errors.
 * Those of node-redis have the server's message alone, which begins with a code in capitals.
 */
export function isReply(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    error.name === "ReplyError" ||
    REDIRECTED.test(error.message) ||
    (/^[A-Z]+ /.test(error.message) && !("code" in error))
  );
}

function codeOf(error: unknown): string {
  return error instanceof Error ? (/^([A-Z]+) /.exec(error.message.replace(REDIRECTED, ""))?.[1] ?? "") : "";
}

/**
 * ioredis adds the command with its arguments to the error. They hold payloads, which would reach
 * the application's logs.
 */
function withoutCommand(error: unknown): unknown {
  if (error instanceof Error && "command" in error) delete error.command;
  return error;
}
