import type { StoredTask } from "../backend/stored-task.ts";
import type { InsertOutcome, NewTask } from "../backend/task-backend.ts";
import { isStorableKey, MAX_TTL_MS } from "../contract/checks.ts";
import { exists, invalid, TaskStoreError } from "../contract/errors.ts";
import type { Encode } from "../contract/json.ts";
import { checked, checks } from "../contract/option-checks.ts";
import type { CreateTaskOptions, NewTaskOptions } from "../contract/options.ts";
import { generateTaskId, type Request, type RequestId } from "../contract/task.ts";
import { type Settings, ttlInForce } from "./settings.ts";

/**
 * The request of a task that your own code creates.
 * @throws `INVALID_ARGUMENT`
 */
export function requestOf({ name, arguments: args, method, params }: NewTaskOptions): Request {
  if ((name === undefined) === (method === undefined))
    throw invalid("createTask needs either the name of a tool or the method of a request");
  if (name !== undefined && params !== undefined)
    throw invalid("createTask takes params only with method: with name, pass arguments");
  if (method !== undefined && args !== undefined)
    throw invalid("createTask takes arguments only with name: with method, pass params");
  if (method !== undefined) return params === undefined ? { method } : { method, params };
  return { method: "tools/call", params: args === undefined ? { name } : { name, arguments: args } };
}

/** The name of the task: the tool's, or the method. */
export function nameOf(request: Request): string {
  if (typeof request?.method !== "string") throw invalid("The request needs a method");
  const tool = request.method === "tools/call" ? request.params?.["name"] : undefined;
  return typeof tool === "string" ? tool : request.method;
}

/** The task to insert. @throws `INVALID_ARGUMENT`, `PAYLOAD_TOO_LARGE` */
export function newTask(
  options: CreateTaskOptions,
  requestId: RequestId | undefined,
  request: Request,
  owner: string | null,
  { limits, pollInterval, claimAfterMs }: Settings,
  encode: Encode,
  rerunOf?: string,
): NewTask {
  const taskId = options.taskId ?? generateTaskId();
  if (typeof taskId !== "string" || taskId === "" || !isStorableKey(taskId))
    throw invalid("taskId must be a well-formed string of 1 to 512 characters");
  const name = nameOf(request);
  if (!isStorableKey(name))
    throw invalid("The tool's name must be a well-formed string of at most 512 characters", taskId);
  return {
    taskId,
    owner,
    name,
    ttl: ttlInForce(options.ttl, limits.ttl),
    pollInterval: checked("pollInterval", options.pollInterval ?? pollInterval, checks.number(0)),
    request: encode({ requestId: requestId ?? taskId, request, context: options.context, rerunOf }, "request"),
    claimAfterMs: checked("claimAfterMs", options.claimAfterMs ?? claimAfterMs, checks.number(0, MAX_TTL_MS)),
  };
}

/**
 * The task that was inserted.
 * @throws `TASK_EXISTS`, `LIMIT_EXCEEDED`
 */
export function inserted(taskId: string, outcome: InsertOutcome, limits: Settings["limits"]): StoredTask {
  if ("inserted" in outcome) return outcome.inserted;
  if (outcome.refused === "duplicate") throw exists(taskId);
  const whose = outcome.refused === "activeTasks" ? "The store" : "The owner";
  const message = `${whose} has ${limits[outcome.refused]} active tasks, the most allowed; try again when one has ended`;
  throw new TaskStoreError("LIMIT_EXCEEDED", message);
}
