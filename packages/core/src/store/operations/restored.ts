import { HISTORY_LENGTH } from "../../backend/rules.ts";
import type { RestoredTask } from "../../backend/task-backend.ts";
import { isStorableKey, MAX_TTL_MS } from "../../contract/checks.ts";
import { invalid } from "../../contract/errors.ts";
import { encodeJson } from "../../contract/json.ts";
import type { ExportedTask } from "../../contract/operations.ts";
import { isTaskStatus, isTerminal } from "../../contract/task.ts";

// Checks an exported task, which may come from anywhere. A task that the store could not have made
// itself would make later reads of it throw, and every page that has it.

/** Latest time: a ttl or a lease later, it is still a date and an exact number. */
const MAX_TIME = 4e15;
/** Largest count, with room to go on counting in every database. */
const MAX_COUNT = 1e9;
/** Leaves room for takes that follow. */
const MAX_TOKEN = 2 ** 52;

type Fields = Record<string, unknown>;

/** @throws TaskStoreError `INVALID_ARGUMENT`, `PAYLOAD_TOO_LARGE` */
export function toRestored(given: ExportedTask, maxBytes: number): RestoredTask {
  if (given?.format !== 1) throw invalid("The exported task has a format that this version does not know");
  // Exports of earlier versions have no steps.
  const { taskId, owner, name, status, statusMessage, history, messages, steps = [] } = given;
  const right = (field: string, isRight: boolean) => {
    const id = typeof taskId === "string" ? taskId : undefined;
    if (!isRight) throw invalid(`The exported task has no valid ${field}`, id);
  };
  right("taskId", taskId !== "" && isStorableKey(taskId));
  right("name", isStorableKey(name));
  right("owner", owner === null || isStorableKey(owner));
  right("status", isTaskStatus(status));
  right("statusMessage", statusMessage === null || typeof statusMessage === "string");
  right("history", history === null || typeof history === "string");
  right("leaseExpiresAt", isTerminal(status) === (given.leaseExpiresAt === null));
  right("messages", Array.isArray(messages) && messages.every(isObject));
  right("steps", Array.isArray(steps) && steps.every(isStep));
  right("request", isRequest(given.request));
  right("inputs", given.inputs === null || isInputs(given.inputs));
  right("outcome", given.outcome === null || (isTerminal(status) && isOutcome(given.outcome)));
  const timeOf = (field: string, value: unknown): number => {
    const time = typeof value === "string" ? new Date(value).getTime() : Number.NaN;
    right(field, time >= 0 && time <= MAX_TIME);
    return time;
  };
  const optionalTime = (field: string, value: unknown) => (value === null ? null : timeOf(field, value));
  const count = (field: "revision" | "attempt" | "leaseToken", most = MAX_COUNT) => {
    right(field, Number.isSafeInteger(given[field]) && given[field] >= 0 && given[field] <= most);
    return given[field];
  };
  const { ttl, pollInterval } = given;
  right("ttl", ttl === null || (Number.isSafeInteger(ttl) && ttl >= 0 && ttl <= MAX_TTL_MS));
  right("pollInterval", pollInterval === null || isWithin(pollInterval, Number.MAX_SAFE_INTEGER));
  const textOf = (field: string, value: unknown) => (value == null ? null : encodeJson(value, field, maxBytes));
  return {
    taskId,
    owner,
    name,
    status,
    statusMessage: textOf("status message", statusMessage),
    createdAt: timeOf("createdAt", given.createdAt),
    updatedAt: timeOf("updatedAt", given.updatedAt),
    ttl,
    expiresAt: optionalTime("expiresAt", given.expiresAt),
    pollInterval,
    revision: count("revision"),
    attempt: count("attempt"),
    leaseToken: count("leaseToken", MAX_TOKEN),
    leaseExpiresAt: optionalTime("leaseExpiresAt", given.leaseExpiresAt),
    request: encodeJson(given.request, "request", maxBytes),
    inputs: textOf("inputs", given.inputs),
    checkpoint: textOf("checkpoint", given.checkpoint),
    outcome: textOf("outcome", given.outcome),
    history: history === null ? null : storable(history),
    messages: messages.map(({ message, expiresAt }) => ({
      message: encodeJson(message, "message", maxBytes),
      expiresAt: timeOf("messages", expiresAt),
    })),
    steps: steps.map((step) => ({ name: step.name, body: encodeJson(step.body, "step's result", maxBytes) })),
  };
}

/** How many characters the task's payloads have. */
export function sizeOf({ request, inputs, checkpoint, outcome, messages, steps }: RestoredTask): number {
  let size = 0;
  for (const text of [request, inputs, checkpoint, outcome]) size += text?.length ?? 0;
  for (const { message } of messages) size += message.length;
  for (const { body } of steps) size += body.length;
  return size;
}

/** A history is cut by characters, so its beginning may be half of one. */
function storable(history: string): string {
  return history.slice(-HISTORY_LENGTH).toWellFormed().replaceAll("\0", "");
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isWithin(value: unknown, most: number): boolean {
  return typeof value === "number" && value >= 0 && value <= most;
}

function isRequest(value: unknown): boolean {
  if (!isObject(value) || !isObject(value["request"])) return false;
  const { requestId, request, context, rerunOf } = value;
  const { method, params } = request as Fields;
  return (
    (typeof requestId === "string" || typeof requestId === "number") &&
    typeof method === "string" &&
    (params === undefined || typeof params === "object") &&
    (context == null || isObject(context)) &&
    (rerunOf === undefined || typeof rerunOf === "string")
  );
}

function isInputs(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every((each) => isObject(each) && typeof each["key"] === "string" && isObject(each["request"]))
  );
}

function isStep(value: unknown): boolean {
  if (!isObject(value) || typeof value["name"] !== "string" || !isStorableKey(value["name"])) return false;
  if (!isObject(value["body"])) return false;
  const { failures } = value["body"];
  return failures === undefined || (Number.isSafeInteger(failures) && (failures as number) >= 0);
}

function isOutcome(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { result, error } = value;
  if (error === undefined) return isObject(result);
  return (
    result === undefined &&
    isObject(error) &&
    Number.isSafeInteger(error["code"]) &&
    typeof error["message"] === "string"
  );
}
