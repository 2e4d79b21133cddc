import { isTaskStoreError, TaskStoreError, type TaskStoreErrorCode } from "@mcp-task-store/core";

// What to do about each failure of SQLite, by the beginning of its code. Messages may reach a remote peer: no path, no SQL, no data.
const ADVICE: readonly (readonly [code: string, advice: string])[] = [
  [
    "SQLITE_BUSY",
    "The database was locked by another connection for too long: keep other transactions short, or raise busyTimeoutMs",
  ],
  ["SQLITE_LOCKED", "The database was locked by another connection for too long: keep other transactions short"],
  ["SQLITE_NOTADB", "The file is not an SQLite database, or is encrypted: it was left as it is, name another file"],
  [
    "SQLITE_CORRUPT",
    "The database file is damaged: it was left as it is, restore a backup or recover it with SQLite's own tools",
  ],
  ["SQLITE_READONLY", "The database is read-only: allow this process to write the file and its folder"],
  ["SQLITE_PERM", "Access to the database was denied: allow this process to write the file and its folder"],
  ["SQLITE_AUTH", "Access to the database was denied: allow this process to write the file and its folder"],
  [
    "SQLITE_CANTOPEN",
    "The database file cannot be opened: its folder must exist, and this process must be allowed to write both",
  ],
  ["SQLITE_FULL", "The disk is full: nothing was written, make room and try again"],
  [
    "SQLITE_IOERR",
    "The disk or file system failed while it was read or written: check both, then open the store again",
  ],
  ["SQLITE_NOMEM", "SQLite ran out of memory: nothing was written"],
];

export function unavailable(message: string, cause?: unknown): TaskStoreError {
  // SQLite undoes what it could not do, unless it is the file itself that fails.
  const outcome = /^SQLITE_(IOERR|CORRUPT)/.test(codeOf(cause)) ? "unknown" : "not-applied";
  return new TaskStoreError("BACKEND_UNAVAILABLE", message, { cause, outcome });
}

export function mismatch(message: string): TaskStoreError {
  return new TaskStoreError("SCHEMA_MISMATCH", message);
}

/** A write inside somebody else's transaction would be acknowledged before it is durable. */
export function inForeignTransaction(): TaskStoreError {
  return unavailable("The database given to the store is inside a transaction: end it before the store is used");
}

/** The driver's error as one of ours, with the driver's own as its cause. */
export function toStoreError(error: unknown): TaskStoreError {
  if (isTaskStoreError(error)) return error;
  const code = codeOf(error);
  const advice = ADVICE.find(([prefix]) => code.startsWith(prefix))?.[1];
  if (advice !== undefined) return unavailable(advice, error);
  if (code === "SQLITE_TOOBIG") return failure("PAYLOAD_TOO_LARGE", "The text is larger than SQLite can hold", error);
  // better-sqlite3 looks for the folder itself.
  if (error instanceof TypeError && /directory/.test(error.message))
    return unavailable("The folder of the database file does not exist: create it, or name another one", error);
  if (error instanceof TypeError && /connection is not open/.test(error.message))
    return unavailable("The database given to the store was closed", error);
  return unavailable("SQLite could not do what was asked", error);
}

/** Another connection holds a lock: worth another try. */
export function isBusy(error: unknown): boolean {
  const cause = isTaskStoreError(error) ? error.cause : error;
  return codeOf(cause).startsWith("SQLITE_BUSY");
}

function failure(code: TaskStoreErrorCode, message: string, cause: unknown): TaskStoreError {
  return new TaskStoreError(code, message, { cause });
}

function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : "";
}
