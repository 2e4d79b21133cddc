import type { Patch } from "../../backend/task-backend.ts";
import { invalid, isTaskStoreError, notFound } from "../../contract/errors.ts";
import { decodePayload } from "../../contract/json.ts";
import type { RerunOptions } from "../../contract/operations.ts";
import { isTerminal, type Request, type RequestId, type Task } from "../../contract/task.ts";
import type { BackendGateway } from "../backend-gateway.ts";
import { inserted, newTask } from "../new-task.ts";
import { toTask } from "../snapshot.ts";
import { historyLine } from "./history.ts";

/** Makes a new task of an ended one's request, and links the two. */
export async function rerun(gateway: BackendGateway, taskId: string, options: RerunOptions): Promise<Task> {
  const first = await gateway.read(taskId, null, ["request"]);
  if (!first) throw notFound(taskId);
  if (!isTerminal(first.status))
    throw invalid("Only a task that has ended can be run again: cancel it first, or requeue it", taskId);
  const { requestId, request, context } = decodePayload<{
    requestId: RequestId;
    request: Request;
    context?: Record<string, unknown>;
  }>(first.request ?? "{}");
  const changed = options.arguments && {
    ...request,
    params: { ...request.params, arguments: options.arguments },
  };
  const { settings } = gateway;
  const own = {
    ttl: first.ttl,
    pollInterval: first.pollInterval ?? undefined,
    context,
    taskId: options.taskId,
    claimAfterMs: options.claimAfterMs ?? 0,
  };
  const task = newTask(own, requestId, changed ?? request, first.owner, settings, gateway.encode, taskId);
  const outcome = await gateway.call((backend) => backend.insert(task, settings.limits));
  const made = inserted(task.taskId, outcome, settings.limits);
  // The new task has the link. The first task shows it, unless it has expired since.
  const patch: Patch = { history: historyLine({ event: "rerun", taskId: task.taskId }) };
  try {
    await gateway.call((backend) => backend.update(taskId, { scope: null, ended: true }, patch));
  } catch (error) {
    if (isTaskStoreError(error, "STORE_CLOSED")) throw error;
    gateway.report(error);
  }
  return toTask(made);
}
