import { isTaskStoreError, TaskStoreError } from "@mcp-task-store/core";

// What to do about each failure, by the beginning of its SQLSTATE. Messages may reach a remote peer: no address, no SQL, no data.
const ADVICE: readonly (readonly [state: string, advice: string])[] = [
  ["57014", "The database ended the statement, which took longer than its timeout: nothing was written"],
  ["55P03", "A lock in the database was held by others for too long: nothing was written"],
  ["40003", "Whether the statement was carried out is unknown, reading will tell"],
  ["40", "Other transactions kept changing the same rows: nothing was written, try again"],
  ["53300", "The database has no connection left: raise max_connections, or lower the stores' maxConnections"],
  ["53100", "The database's disk is full: nothing was written, make room and try again"],
  ["53", "The database has run out of a resource: nothing was written"],
  ["25006", "The database is read-only: connect to the primary, not to a standby"],
  ["28", "The database refused the user or the password"],
  ["3D000", "The database does not exist"],
  ["42501", "The database user lacks a privilege on the store's schema or tables"],
];

/** Missing or other tables and columns. */
const OTHER_TABLES = /^(42P01|3F000|42703|42804|42P10)$/;

/** Ends of connections: the operating system's codes, and SQLSTATEs. */
const LOST = /^(08|57P0|E[A-Z_]+$)/;

export function unavailable(
  message: string,
  cause?: unknown,
  outcome: "not-applied" | "unknown" = "not-applied",
): TaskStoreError {
  return new TaskStoreError("BACKEND_UNAVAILABLE", message, { cause, outcome });
}

export function mismatch(message: string, cause?: unknown): TaskStoreError {
  return new TaskStoreError("SCHEMA_MISMATCH", message, { cause });
}

export function noConnection(cause?: unknown): TaskStoreError {
  return unavailable("No connection to the database was to be had in time: it is down, or the pool is in use", cause);
}

/** A statement was sent, and what became of it is not known. */
export function unanswered(writes: boolean, cause?: unknown): TaskStoreError {
  const unknown = writes ? ": whether it was carried out is unknown, reading will tell" : "";
  return unavailable(
    `The database did not answer in time, or the connection was lost${unknown}`,
    cause,
    writes ? "unknown" : "not-applied",
  );
}

/** The driver's error as one of ours, with the driver's own as its cause. */
export function toStoreError(error: unknown): TaskStoreError {
  if (isTaskStoreError(error)) return error;
  const state = stateOf(error);
  if (state === "42P07")
    return mismatch("The schema has a table that is not the store's under the same name: use another schema", error);
  if (OTHER_TABLES.test(state)) return mismatch("The store's tables are missing or were changed: run migrate()", error);
  if (state === "54000")
    return new TaskStoreError("PAYLOAD_TOO_LARGE", "The text is larger than PostgreSQL can hold", { cause: error });
  const advice = ADVICE.find(([prefix]) => state.startsWith(prefix))?.[1];
  // 40003 is the one state by which the server says that it does not know.
  const outcome = isLost(error) || state === "40003" ? "unknown" : "not-applied";
  return unavailable(advice ?? "PostgreSQL could not do what was asked", error, outcome);
}

/** The server refused the statement: nothing was written, and the connection is as good as before. */
export function isRefusal(error: unknown): boolean {
  return !isLost(error);
}

/** The connection ended, or no answer came. */
export function isLost(error: unknown): boolean {
  if (isTaskStoreError(error)) return false;
  const state = stateOf(error);
  return !/^[0-9A-Z]{5}$/.test(state) || LOST.test(state);
}

/** Another transaction came between: the same again may succeed. */
export function isConflict(error: unknown): boolean {
  return /^(40001|40P01)$/.test(stateOf(error));
}

/** Behind a pooler that does not carry prepared statements from one server connection to the next. Nothing was run. */
export function isUnprepared(error: unknown): boolean {
  return /^(26000|42P05)$/.test(stateOf(error));
}

/** A pooler refused a setting that came with the request to connect. */
export function isRefusedSetting(error: unknown): boolean {
  return stateOf(error) === "08P01";
}

function stateOf(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : "";
}
