import { stuckReason } from "../../backend/search.ts";
import type { PayloadField, StoredTask } from "../../backend/stored-task.ts";
import { decodePayload, isCoded } from "../../contract/json.ts";
import { OPERATOR_FIELDS } from "../../contract/operation-options.ts";
import type { OperatorField, OperatorRecord } from "../../contract/operations.ts";
import type { RecordField } from "../../contract/record.ts";
import { isTerminal } from "../../contract/task.ts";
import { payloadsOf, toRecord, unreadableIn } from "../record.ts";
import { STUCK } from "./filter.ts";
import { heldBy, historyOf } from "./history.ts";

function isoOf(time: number | null): string | undefined {
  return time === null ? undefined : new Date(time).toISOString();
}

function recordFields(fields: readonly OperatorField[]): RecordField[] {
  return fields.filter((field) => field !== "rerunOf");
}

/** The payloads to read for these fields. */
export function payloadsFor(fields: readonly OperatorField[]): PayloadField[] {
  // The link to the first task is kept beside the request.
  const wanted = fields.includes("rerunOf") ? [...recordFields(fields), "request" as const] : recordFields(fields);
  return [...payloadsOf(wanted), "history"];
}

/** The record of a task that was read with the payloads of these fields. */
export function toOperatorRecord(
  stored: StoredTask,
  fields: readonly OperatorField[] = OPERATOR_FIELDS,
  stuck = STUCK,
): OperatorRecord {
  const history = historyOf(stored);
  const wanted = recordFields(fields);
  const unreadable = unreadableIn(stored, wanted);
  return {
    ...toRecord(
      stored,
      wanted.filter((field) => !unreadable.includes(field)),
    ),
    ...(unreadable.length > 0 ? { unreadable } : {}),
    ...(unreadable.includes("inputRequests") ? { inputRequests: {} } : {}),
    endedAt: isTerminal(stored.status) ? isoOf(stored.updatedAt) : undefined,
    expiresAt: isoOf(stored.expiresAt),
    holder: heldBy(stored, history),
    stuck: stuckReason(stored, stuck),
    history,
    ...(fields.includes("rerunOf") && !isCoded(stored.request)
      ? { rerunOf: decodePayload<{ rerunOf?: string }>(stored.request ?? "{}").rerunOf }
      : {}),
  };
}
