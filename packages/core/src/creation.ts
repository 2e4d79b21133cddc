import type { InsertOutcome, NewTask, StoredTask } from "./backend.ts";
import type { CreateTaskOptions } from "./contract.ts";
import { invalid, TaskStoreError } from "./errors.ts";
import { encodeJson, isStorableKey } from "./json.ts";
import { checkNumber, MAX_TTL_MS, type Settings, ttlInForce } from "./settings.ts";
import { generateTaskId, type Request, type RequestId } from "./task.ts";

/** The task to insert. @throws `INVALID_ARGUMENT`, `PAYLOAD_TOO_LARGE` */
export function newTask(
  options: CreateTaskOptions,
  requestId: RequestId,
  request: Request,
  owner: string | null,
  { limits, pollInterval, claimAfterMs }: Settings,
): NewTask {
  const taskId = options.taskId ?? generateTaskId();
  if (typeof taskId !== "string" || taskId === "" || !isStorableKey(taskId))
    throw invalid("taskId must be a well-formed string of 1 to 512 characters");
  if (typeof request?.method !== "string") throw invalid("The request needs a method", taskId);
  const tool = request.method === "tools/call" ? request.params?.["name"] : undefined;
  const name = typeof tool === "string" ? tool : request.method;
  if (!isStorableKey(name))
    throw invalid("The tool's name must be a well-formed string of at most 512 characters", taskId);
  return {
    taskId,
    owner,
    name,
    ttl: ttlInForce(options.ttl, limits.ttl),
    pollInterval: checkNumber("pollInterval", options.pollInterval ?? pollInterval, 0),
    request: encodeJson({ requestId, request, context: options.context }, "request", limits.payloadBytes),
    claimAfterMs: checkNumber("claimAfterMs", options.claimAfterMs ?? claimAfterMs, 0, MAX_TTL_MS),
  };
}

/** The task that was inserted. @throws `INVALID_ARGUMENT` for an id that exists, `LIMIT_EXCEEDED` */
export function inserted(taskId: string, outcome: InsertOutcome, limits: Settings["limits"]): StoredTask {
  if ("inserted" in outcome) return outcome.inserted;
  if (outcome.refused === "duplicate") throw invalid(`Task with ID ${taskId} already exists`, taskId);
  const whose = outcome.refused === "activeTasks" ? "The store" : "The owner";
  const message = `${whose} has ${limits[outcome.refused]} active tasks, the most allowed; try again when one has ended`;
  throw new TaskStoreError("LIMIT_EXCEEDED", message);
}
