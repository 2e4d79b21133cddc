import { isTaskStoreError, type TaskStoreError } from "@mcp-task-store/core";
import { type Advice, byAdvice, driverCode, unavailable } from "@mcp-task-store/core/backend";

// SQLite rolls back a failed statement, unless the file itself fails.
const ADVICE: Advice = [
  [
    "SQLITE_BUSY",
    "Another connection locked the database for too long: keep other transactions short, or raise busyTimeoutMs",
  ],
  ["SQLITE_LOCKED", "Another connection locked the database for too long: keep other transactions short"],
  ["SQLITE_NOTADB", "The file is not an SQLite database, or is encrypted: it was left as it is, name another file"],
  [
    "SQLITE_CORRUPT",
    "The database file is damaged: it was left as it is, restore a backup or recover it with SQLite's own tools",
    { write: "unknown" },
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
    "The disk or the file system failed during a read or write: check both, then open the store again",
    { write: "unknown" },
  ],
  ["SQLITE_NOMEM", "SQLite ran out of memory: nothing was written"],
  ["SQLITE_TOOBIG", "The text is larger than SQLite can hold", { as: "PAYLOAD_TOO_LARGE" }],
];

/** A write inside the application's transaction would be acknowledged before its commit. */
export function inForeignTransaction(): TaskStoreError {
  return unavailable("The database given to the store is inside a transaction: end it before you use the store");
}

/** The driver's error as a `TaskStoreError`, with the driver's error as its cause. */
export function toStoreError(error: unknown): TaskStoreError {
  const advised = byAdvice(error, driverCode(error), ADVICE);
  if (advised) return advised;
  // better-sqlite3 throws a TypeError for a missing folder.
  const reason = error instanceof TypeError ? error.message : "";
  if (/directory/.test(reason))
    return unavailable("The folder of the database file does not exist: create it, or name another one", error);
  if (/connection is not open/.test(reason)) return unavailable("The database given to the store was closed", error);
  return unavailable("SQLite could not do what was asked", error);
}

/** Another connection holds a lock, so another attempt may succeed. */
export function isBusy(error: unknown): boolean {
  return driverCode(isTaskStoreError(error) ? error.cause : error).startsWith("SQLITE_BUSY");
}
