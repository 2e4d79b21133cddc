import { Failure, Interrupted, UsageError } from "./exit.ts";

/** An error on one line. The output hides credentials in it. */
export function failureText(error: unknown): string {
  if (error instanceof UsageError || error instanceof Failure || error instanceof Interrupted) return error.message;
  if (!(error instanceof Error)) return String(error);
  const { code, path } = error as { code?: unknown; path?: unknown };
  if (code === "EEXIST") return `there is a file ${path} already, and it stays as it is: name another one`;
  if (code === "ENOENT") return `there is no file or folder ${path}: name one that exists`;
  // The tables' own message names a function of the library.
  if (code === "SCHEMA_MISMATCH" && /migrate\(\)/.test(error.message))
    return "the store's tables are missing or of an older version: run mcp-tasks migrate, and check that --store, --schema and --table-prefix are right";
  if (code === "PAYLOAD_UNREADABLE") {
    const { taskId } = error as { taskId?: unknown };
    const text = typeof taskId === "string" ? `task ${taskId}: ${error.message}` : error.message;
    // Keys do not bring a lost object back.
    if (/is no longer in the storage/.test(text)) return text;
    return `${text}: give --codec with the keys, or write a "codec" into the configuration`;
  }
  if (code === "NOT_SUPPORTED") return `${error.message}: update the store's package`;
  const reason = reasonOf(error.cause);
  return reason === undefined ? error.message : `${error.message} (${reason})`;
}

/** What the driver said, which names the host or the user that was refused. */
function reasonOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined;
  // Node tried several addresses of a host.
  const first = cause instanceof AggregateError && cause.message === "" ? cause.errors[0] : cause;
  return first instanceof Error && first.message !== "" ? first.message : undefined;
}
