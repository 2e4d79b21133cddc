import type { InputRequest, OperatorField, OperatorRecord, OperatorRecordWith } from "@mcp-task-store/core";
import { json } from "../answers.ts";
import { badRequest, nothingHere, Refusal } from "../failures.ts";
import type { PayloadPlace } from "../redact.ts";
import { filterFor, sees } from "../scope.ts";
import type { PayloadsAnswer, TaskAnswer, TaskRow, TasksAnswer, Unreadable } from "../wire.ts";
import type { Call } from "./call.ts";

const PAYLOADS = ["request", "context", "result", "error", "checkpoint"] as const;

export async function listTasks(call: Call): Promise<Response> {
  const where = filterFor(call.viewer, call.query.get("q") ?? "");
  const order = call.query.get("order") ?? "newest";
  if (order !== "newest" && order !== "oldest") throw badRequest("order must be newest or oldest");
  const limit = call.number("limit", 50, 1, 200);
  const cursor = call.query.get("cursor") ?? undefined;
  const at = new Date().toISOString();
  if (where === undefined) return json({ tasks: [], scanned: 0, at } satisfies TasksAnswer);
  const page = await call.operations.listRecords({ where, order, limit, cursor, scan: call.room.scan });
  const answer: TasksAnswer = {
    tasks: page.records.map((record) => rowOf(call, record)),
    ...(page.nextCursor === undefined ? {} : { nextCursor: page.nextCursor }),
    scanned: page.scanned,
    at,
  };
  return json(answer);
}

export async function getTask(call: Call, taskId: string): Promise<Response> {
  const record = await recordFor(call, taskId, ["inputRequests", "rerunOf"]);
  const { task, history, inputRequests, rerunOf } = record;
  const { ttl, pollInterval } = task;
  const answer: TaskAnswer = {
    ...rowOf(call, record),
    ttl,
    ...(pollInterval === undefined ? {} : { pollInterval }),
    history: redacted(call, record, "history", history) as TaskAnswer["history"],
    questions: call.viewer.payloads ? questionsOf(call, record, inputRequests) : {},
    ...(rerunOf === undefined ? {} : { rerunOf }),
    ...unreadableIn(record),
    at: new Date().toISOString(),
  };
  return json(answer);
}

export async function getPayloads(call: Call, taskId: string): Promise<Response> {
  if (!call.viewer.payloads) throw new Refusal(403, "FORBIDDEN", "You may not read payloads");
  const record = await recordFor(call, taskId, ["requestId", ...PAYLOADS]);
  const shown = PAYLOADS.filter((field) => record[field] !== undefined).map((field) => [
    field,
    redacted(call, record, field, record[field]),
  ]);
  const { requestId } = record;
  return json({ requestId, ...Object.fromEntries(shown), ...unreadableIn(record) } satisfies PayloadsAnswer);
}

function unreadableIn({ unreadable }: OperatorRecord): Unreadable {
  return unreadable === undefined ? {} : { unreadable };
}

/** The record of a task that the viewer may see. A foreign task is answered as an unknown one. */
export async function recordFor<Field extends OperatorField = never>(
  call: Call,
  taskId: string,
  fields: readonly Field[] = [],
): Promise<OperatorRecordWith<Field>> {
  const record = await call.operations.getRecord(taskId, { fields });
  if (record === null || !sees(call.viewer, record.owner)) throw nothingHere("There is no such task");
  return record;
}

function rowOf(call: Call, record: OperatorRecord): TaskRow {
  const { task, name, owner, revision, attempt, claimableAt, endedAt, expiresAt, holder, stuck } = record;
  const message = task.statusMessage;
  const row = {
    taskId: task.taskId,
    name,
    owner: owner ?? null,
    status: task.status,
    statusMessage: message === undefined ? undefined : String(redacted(call, record, "statusMessage", message)),
    revision,
    createdAt: task.createdAt,
    changedAt: task.lastUpdatedAt,
    endedAt,
    expiresAt,
    claimableAt,
    attempt,
    holder,
    stuck,
  };
  // JSON leaves out what is undefined.
  return row as TaskRow;
}

/** The questions, redacted but for the schemas of forms: names of fields are no secrets. */
function questionsOf(
  call: Call,
  record: OperatorRecord,
  questions: Record<string, InputRequest>,
): Record<string, InputRequest> {
  const shown = redacted(call, record, "questions", questions) as Record<string, InputRequest>;
  for (const [key, { params }] of Object.entries(questions)) {
    const schema = params?.["requestedSchema"];
    if (schema !== undefined && Object.hasOwn(shown, key) && shown[key]?.params)
      shown[key].params["requestedSchema"] = schema;
  }
  return shown;
}

function redacted(call: Call, record: OperatorRecord, field: PayloadPlace["field"], value: unknown): unknown {
  const { task, name, owner } = record;
  const copy = typeof value === "string" ? value : structuredClone(value);
  return call.room.redact(copy, { store: call.room.name, taskId: task.taskId, name, owner, field });
}
