import { isTaskStoreError, type TaskStoreError } from "@mcp-task-store/core";
import { type Advice, byAdvice, driverCode, messageOf, unavailable } from "@mcp-task-store/core/backend";

const OTHER_TABLES = "The store's tables are missing or were changed: run migrate()";

// By SQLSTATE.
const ADVICE: Advice = [
  ["57014", "The database ended the statement, which took longer than its timeout: nothing was written"],
  ["55P03", "Other transactions held a lock in the database for too long: nothing was written"],
  ["40003", "The database does not know whether the statement took effect: read the task again", { write: "unknown" }],
  ["40", "Other transactions kept changing the same rows: nothing was written, try again"],
  ["53300", "The database has no connection left: raise max_connections, or lower the stores' maxConnections"],
  ["53100", "The disk of the database is full: nothing was written, make room and try again"],
  ["53", "The database has run out of a resource: nothing was written"],
  ["25P02", "The transaction has failed before: roll it back, nothing of it was written"],
  ["25006", "The database is read-only: nothing was written, connect to the primary, not to a standby"],
  ["28", "The database refused the user or the password"],
  ["3D000", "The database does not exist"],
  ["42501", "The database user lacks a privilege on the store's schema or tables"],
  [
    "42P07",
    "The schema has a table of another application under the name of one of the store's: use another schema",
    { as: "SCHEMA_MISMATCH" },
  ],
  ["42P01", OTHER_TABLES, { as: "SCHEMA_MISMATCH" }],
  ["3F000", OTHER_TABLES, { as: "SCHEMA_MISMATCH" }],
  ["42703", OTHER_TABLES, { as: "SCHEMA_MISMATCH" }],
  ["42804", OTHER_TABLES, { as: "SCHEMA_MISMATCH" }],
  ["42883", OTHER_TABLES, { as: "SCHEMA_MISMATCH" }],
  ["42P10", OTHER_TABLES, { as: "SCHEMA_MISMATCH" }],
  ["54000", "The text is larger than PostgreSQL can hold", { as: "PAYLOAD_TOO_LARGE" }],
];

const SQLSTATE = /^[0-9A-Z]{5}$/;
/** The connection ended: codes of the operating system, and SQLSTATEs. */
const LOST = /^(08|57P0|E[A-Z_]+$)/;

export function noConnection(cause?: unknown): TaskStoreError {
  return unavailable(
    "Could not get a database connection in time: the server is down, or every connection of the pool is busy",
    asError(cause),
  );
}

/** Every tried connection had a transaction open. */
export function leftOpen(cause?: unknown): TaskStoreError {
  return unavailable(
    "The application gives connections back to the pool with a transaction open: nothing was written, end transactions before release()",
    cause,
  );
}

/** A statement was sent, and its answer was lost. */
export function unanswered(writes: boolean, cause?: unknown): TaskStoreError {
  const unknown = writes ? ": whether the write took effect is unknown, read the task again" : "";
  return unavailable(
    `The database did not answer in time, or the connection was lost${unknown}`,
    asError(cause),
    writes ? "unknown" : "not-applied",
  );
}

/** The driver's error as a `TaskStoreError`, with the driver's error as its cause. */
export function toStoreError(error: unknown): TaskStoreError {
  return (
    byAdvice(error, driverCode(error), ADVICE) ??
    unavailable("PostgreSQL could not do what was asked", asError(error), isLost(error) ? "unknown" : "not-applied")
  );
}

/** The server's error, if a library put it into an error of its own as the cause. */
export function sqlErrorOf(error: unknown): unknown {
  for (let each = error; each instanceof Error; each = each.cause) if (SQLSTATE.test(driverCode(each))) return each;
  return error;
}

/** Drivers over WebSocket reject with an event, which has the error's message. */
function asError(cause: unknown): unknown {
  return cause === undefined || cause instanceof Error ? cause : new Error(messageOf(cause), { cause });
}

/** The server refused the statement: nothing was written, and the connection can be used again. */
export function isRefusal(error: unknown): boolean {
  return !isLost(error);
}

/** The connection ended, or no answer came. */
export function isLost(error: unknown): boolean {
  if (isTaskStoreError(error)) return false;
  const state = driverCode(error);
  return !SQLSTATE.test(state) || LOST.test(state);
}

/** A conflict with another transaction. Another attempt may succeed. */
export function isConflict(error: unknown): boolean {
  return /^(40001|40P01)$/.test(driverCode(error));
}

/**
 * The application left a transaction open on the connection. The store's work in it is rolled back,
 * and another attempt on another connection may succeed.
 */
export class OpenTransaction extends Error {
  constructor() {
    super("The connection was given back with a transaction open");
  }
}

/**
 * The store found an open transaction, or the server reports a failed one, in which it runs no
 * statement until a rollback.
 */
export function isOpenTransaction(error: unknown): boolean {
  return error instanceof OpenTransaction || driverCode(error) === "25P02";
}

/**
 * The server has no prepared statement of that name, or the tables have changed since it was
 * prepared. Nothing was run, and another attempt may succeed once the statement is prepared anew.
 */
export function isVoid(error: unknown): boolean {
  return /^(26000|0A000)$/.test(driverCode(error));
}

/**
 * A statement of that name exists, since a pooler mixes up the prepared statements of its clients.
 * Nothing was run.
 */
export function isPreparedElsewhere(error: unknown): boolean {
  return driverCode(error) === "42P05";
}

/** The server follows another one, which takes the writes, or the session is read-only. */
export function isReadOnly(error: unknown): boolean {
  return driverCode(error) === "25006";
}

/** The cause may be the session's role or one of its settings, which other connections lack. */
export function mayBeOfSession(error: unknown): boolean {
  return driverCode(error) === "42501" || isReadOnly(error) || isTimeout(error);
}

/** The server ended the statement, by a timeout of its own or of the session. */
export function isTimeout(error: unknown): boolean {
  return /^(57014|55P03)$/.test(driverCode(error));
}

/** The wait for a lock timed out. */
export function isLockTimeout(error: unknown): boolean {
  return driverCode(error) === "55P03";
}

/** A pooler refused a setting that came with the request to connect. */
export function isRefusedSetting(error: unknown): boolean {
  return driverCode(error) === "08P01";
}
