import { isTaskStoreError, TaskStoreError, type TaskStoreErrorCode } from "../contract/errors.ts";

/** Whether a failed write was applied. */
export type FailedWrite = "not-applied" | "unknown";

/**
 * The message for each failure of a database, by the beginning of the failure's code. The first
 * entry that fits counts. Unless an entry says otherwise, the failure is `BACKEND_UNAVAILABLE` and
 * the write was not applied.
 *
 * A message may reach a remote peer: it must hold no address, path, SQL, credential or data.
 */
export type Advice = readonly (readonly [
  code: string,
  message: string,
  details?: { readonly as?: TaskStoreErrorCode; readonly write?: FailedWrite },
])[];

/**
 * Returns the table's error for this code, with the driver's error as its cause, or `undefined` if
 * the table has none. Returns a `TaskStoreError` as it is.
 */
export function byAdvice(error: unknown, code: string, advice: Advice): TaskStoreError | undefined {
  if (isTaskStoreError(error)) return error;
  const found = advice.find(([beginning]) => code.startsWith(beginning));
  if (!found) return undefined;
  const [, message, { as = "BACKEND_UNAVAILABLE", write = "not-applied" } = {}] = found;
  return new TaskStoreError(as, message, { cause: error, write });
}

/** The `code` that drivers put on their errors; empty if there is none. */
export function driverCode(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : "";
}

/** Makes the error of a database that failed or did not answer. */
export function unavailable(message: string, cause?: unknown, write: FailedWrite = "not-applied"): TaskStoreError {
  return new TaskStoreError("BACKEND_UNAVAILABLE", message, { cause, write });
}

/** Makes the error of a database whose tables this version of the package does not know. */
export function mismatch(message: string, cause?: unknown): TaskStoreError {
  return new TaskStoreError("SCHEMA_MISMATCH", message, { cause });
}
