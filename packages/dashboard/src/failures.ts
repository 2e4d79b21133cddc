import { isTaskStoreError, type TaskStoreErrorCode } from "@mcp-task-store/core";

/** A refusal with words for the caller. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export function badRequest(message: string): Refusal {
  return new Refusal(400, "INVALID_ARGUMENT", message);
}

export function nothingHere(what = "There is nothing at this address"): Refusal {
  return new Refusal(404, "NOT_FOUND", what);
}

const STATUSES: Partial<Record<TaskStoreErrorCode, number>> = {
  TASK_NOT_FOUND: 404,
  TASK_EXPIRED: 404,
  INVALID_ARGUMENT: 400,
  INVALID_CURSOR: 400,
  PAYLOAD_TOO_LARGE: 413,
  NOT_SUPPORTED: 501,
  STORE_CLOSED: 503,
  BACKEND_UNAVAILABLE: 503,
  SCHEMA_MISMATCH: 503,
};

export function codeOf(error: unknown): string {
  if (error instanceof Refusal || isTaskStoreError(error)) return error.code;
  return (error as { name?: unknown } | null)?.name === "AbortError" ? "STOPPED" : "FAILED";
}

/** What the browser is told. Messages of unknown errors stay here: they may hold anything. */
export function failureOf(error: unknown): { status: number; code: string; message: string } {
  if (error instanceof Refusal) return error;
  const code = codeOf(error);
  if (code === "STOPPED") return { status: 499, code, message: "The work was stopped" };
  if (!isTaskStoreError(error)) return { status: 500, code, message: "The request failed" };
  return { status: STATUSES[error.code] ?? 409, code, message: error.message };
}

/** Whether the operator of the server should hear of it. */
export function isOwnFailure(error: unknown): boolean {
  return !(error instanceof Refusal) && failureOf(error).status >= 500;
}
