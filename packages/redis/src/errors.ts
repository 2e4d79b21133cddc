import { isTaskStoreError, TaskStoreError } from "@mcp-task-store/core";

// What to do about each failure, by the first word of the server's answer. Messages may reach a remote peer: no address, no data.
const ADVICE: Readonly<Record<string, string>> = {
  MISCONF:
    "Redis cannot write to its disk and takes no writes: nothing was changed, make room on the disk of the server",
  OOM: "Redis has reached maxmemory: nothing was changed, give it more memory or delete tasks",
  LOADING: "Redis is still loading its data: try again when it has",
  READONLY: "Redis is a read-only replica here: nothing was changed, connect to the primary",
  MASTERDOWN: "Redis is a replica that has lost its primary: try again after the failover",
  CLUSTERDOWN: "The Redis cluster does not serve the store's slot: nothing was changed, try again after the failover",
  TRYAGAIN: "The Redis cluster is moving the store's slot: nothing was changed, try again",
  NOREPLICAS: "Redis has fewer good replicas than min-replicas-to-write asks for: nothing was changed",
  BUSY: "Redis is busy with a script of somebody else",
  NOAUTH: "Redis wants a password: give the store one",
  WRONGPASS: "Redis refused the user name or password",
  NOPERM: "Redis refused a command, key or channel: allow the store's user the ones that the documentation lists",
  NOPROTO: "Redis refused the protocol version",
};

/** Answers by which Redis says that it has not done anything, and which pass by themselves. */
const PASSING = new Set(["LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY"]);

/** Answers to a connection that would be the same to the next one. */
const LASTING = new Set(["NOAUTH", "WRONGPASS", "NOPERM", "NOPROTO"]);

export function unavailable(
  message: string,
  cause?: unknown,
  outcome: "not-applied" | "unknown" = "not-applied",
): TaskStoreError {
  return new TaskStoreError("BACKEND_UNAVAILABLE", message, { cause, outcome });
}

/** Nothing was sent. */
export function unreachable(cause: unknown): TaskStoreError {
  return unavailable("Redis could not be reached: nothing was changed", cause);
}

/** Something was sent, and no answer has come. */
export function unanswered(cause: unknown): TaskStoreError {
  return unavailable(
    "Redis has not answered: whether a write took effect is unknown until the task is read again",
    cause,
    "unknown",
  );
}

/** The driver's error as one of ours, with the driver's own as its cause. */
export function toStoreError(error: unknown): TaskStoreError {
  if (isTaskStoreError(error)) return error;
  const cause = withoutCommand(error);
  if (!isReply(error)) return unanswered(cause);
  const advice = ADVICE[codeOf(error)];
  // A script that fails half-way has no advice of ours, and is not undone.
  return unavailable(advice ?? "Redis could not do what was asked", cause, advice ? "not-applied" : "unknown");
}

export function hasCode(error: unknown, code: string): boolean {
  return codeOf(error) === code;
}

export function isPassing(error: unknown): boolean {
  return PASSING.has(codeOf(error));
}

export function isLasting(error: unknown): boolean {
  return LASTING.has(codeOf(error));
}

/** The server's answer, and not a failure of the connection. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

function codeOf(error: unknown): string {
  return error instanceof Error
    ? (/^(?:Too many Cluster redirections\. Last error: ReplyError: )?([A-Z]+) /.exec(error.message)?.[1] ?? "")
    : "";
}

/** ioredis hangs the command with all its arguments on an error: payloads, which whoever logs the error would print. */
function withoutCommand(error: unknown): unknown {
  if (error instanceof Error && "command" in error) delete error.command;
  return error;
}
