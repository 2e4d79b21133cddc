import { isTaskStoreError, type TaskStoreError } from "@mcp-task-store/core";
import { type Advice, byAdvice, driverCode, unavailable } from "@mcp-task-store/core/backend";

/** Names of SQLite's result codes by their numbers, as in sqlite3.h. */
const NAMES: Readonly<Record<number, string>> = {
  3: "SQLITE_PERM",
  5: "SQLITE_BUSY",
  6: "SQLITE_LOCKED",
  7: "SQLITE_NOMEM",
  8: "SQLITE_READONLY",
  10: "SQLITE_IOERR",
  11: "SQLITE_CORRUPT",
  13: "SQLITE_FULL",
  14: "SQLITE_CANTOPEN",
  18: "SQLITE_TOOBIG",
  23: "SQLITE_AUTH",
  26: "SQLITE_NOTADB",
};

/**
 * The name of SQLite's result code. The errors of better-sqlite3 and bun:sqlite have it as `code`.
 * Those of node:sqlite have the number, as `errcode`, except for a few of Deno's.
 */
function resultCode(error: unknown): string {
  const code = driverCode(error);
  if (code !== "ERR_SQLITE_ERROR") return code;
  const { errcode, message } = error as { errcode?: unknown; message: string };
  if (typeof errcode === "number") return NAMES[errcode & 0xff] ?? code;
  if (message.startsWith("database is locked")) return "SQLITE_BUSY";
  return message.startsWith("unable to open database file") ? "SQLITE_CANTOPEN" : code;
}

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

/** How better-sqlite3, node:sqlite and bun:sqlite refuse a call on a closed database. */
const CLOSED = /connection is not open|database is not open|statement has been finalized|closed database|has closed/;

/** A write inside the application's transaction would be acknowledged before its commit. */
export function inForeignTransaction(): TaskStoreError {
  return unavailable("The database given to the store is inside a transaction: end it before you use the store");
}

/** The driver's error as a `TaskStoreError`, with the driver's error as its cause. */
export function toStoreError(error: unknown): TaskStoreError {
  const advised = byAdvice(error, resultCode(error), ADVICE);
  if (advised) return advised;
  // Such errors have no result code. For a missing folder better-sqlite3 throws a TypeError.
  const reason = error instanceof Error ? error.message : "";
  if (error instanceof TypeError && /directory/.test(reason))
    return unavailable("The folder of the database file does not exist: create it, or name another one", error);
  if (CLOSED.test(reason)) return unavailable("The database given to the store was closed", error);
  return unavailable("SQLite could not do what was asked", error);
}

/** Another connection holds a lock, so another attempt may succeed. */
export function isBusy(error: unknown): boolean {
  return resultCode(isTaskStoreError(error) ? error.cause : error).startsWith("SQLITE_BUSY");
}
