import { PAYLOAD_FIELDS, type PayloadField, type StoredTask } from "../backend/stored-task.ts";
import { RECORD_FIELDS } from "../contract/call-options.ts";
import { decodePayload, isCoded } from "../contract/json.ts";
import type { RecordField, TaskRecord } from "../contract/record.ts";
import type { ErrorObject, Request, RequestId, Result } from "../contract/task.ts";
import { openRequests } from "./inputs.ts";
import { toSnapshot } from "./snapshot.ts";

/** The payload that holds each field. */
const PAYLOADS: Readonly<Record<RecordField, PayloadField>> = {
  requestId: "request",
  request: "request",
  context: "request",
  inputRequests: "inputs",
  checkpoint: "checkpoint",
  result: "outcome",
  error: "outcome",
};

/** The payloads to read for these fields. */
export function payloadsOf(fields: readonly RecordField[] | undefined): readonly PayloadField[] {
  if (fields === undefined) return PAYLOAD_FIELDS;
  return PAYLOAD_FIELDS.filter((payload) => fields.some((field) => PAYLOADS[field] === payload));
}

/** Of these fields, those whose payload cannot be read here. */
export function unreadableIn(stored: StoredTask, fields: readonly RecordField[]): readonly RecordField[] {
  return fields.filter((field) => isCoded(stored[PAYLOADS[field]]));
}

/** The record of a task that was read with the payloads of these fields. */
export function toRecord(stored: StoredTask, fields: readonly RecordField[] = RECORD_FIELDS): TaskRecord {
  const found: Partial<TaskRecord> = {};
  const wants = (field: RecordField) => fields.includes(field);
  if (fields.some((field) => PAYLOADS[field] === "request")) {
    const { requestId, request, context } = decodePayload<{
      requestId: RequestId;
      request: Request;
      context?: Record<string, unknown>;
    }>(stored.request ?? "{}");
    if (wants("requestId")) found.requestId = requestId;
    if (wants("request")) found.request = request;
    if (wants("context")) found.context = context;
  }
  if (wants("inputRequests")) found.inputRequests = openRequests(stored);
  if (stored.outcome != null && (wants("result") || wants("error"))) {
    const outcome = decodePayload<{ result?: Result; error?: ErrorObject }>(stored.outcome);
    if (outcome.result !== undefined && wants("result")) found.result = outcome.result;
    if (outcome.error !== undefined && wants("error")) found.error = outcome.error;
  }
  if (wants("checkpoint"))
    found.checkpoint = stored.checkpoint == null ? undefined : decodePayload<unknown>(stored.checkpoint);
  return {
    ...toSnapshot(stored),
    owner: stored.owner ?? undefined,
    name: stored.name,
    attempt: stored.attempt,
    claimableAt: stored.leaseExpiresAt === null ? undefined : new Date(stored.leaseExpiresAt).toISOString(),
    ...found,
  } as TaskRecord;
}
