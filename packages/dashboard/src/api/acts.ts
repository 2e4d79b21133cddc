import { ANY_OWNER, isTerminal } from "@mcp-task-store/core";
import type { Action } from "../access.ts";
import { json } from "../answers.ts";
import type { Act } from "../audit.ts";
import { badRequest, Refusal } from "../failures.ts";
import { problemsOf } from "../questions.ts";
import { type Call, textIn } from "./call.ts";
import { recordFor } from "./tasks.ts";

/** Acts on one task, by the last part of the address. */
export const TASK_ACTS = {
  async cancel(call, taskId) {
    const statusMessage = textIn(await call.body("statusMessage"), "statusMessage");
    const details = statusMessage === undefined ? {} : { statusMessage };
    const cancel = async () => {
      const { task } = await call.room.store.cancelTask(taskId, { owner: ANY_OWNER, statusMessage });
      return { taskId, status: task.status };
    };
    return act(call, "cancel", taskId, cancel, details);
  },

  async requeue(call, taskId) {
    await call.body();
    return act(call, "requeue", taskId, async () => {
      const { task } = await call.operations.requeueTask(taskId);
      return { taskId, status: task.status };
    });
  },

  async rerun(call, taskId) {
    const body = await call.body("arguments");
    const given = body["arguments"];
    if (given !== undefined && (typeof given !== "object" || given === null || Array.isArray(given)))
      throw badRequest("arguments must be a JSON object");
    return act(call, "rerun", taskId, async () => {
      const task = await call.operations.rerunTask(taskId, { arguments: given as Record<string, unknown> | undefined });
      return { taskId: task.taskId, rerunOf: taskId, status: task.status };
    });
  },

  async remove(call, taskId) {
    await call.body();
    return act(call, "remove", taskId, async () => {
      const record = await recordFor(call, taskId);
      if (!isTerminal(record.task.status))
        throw new Refusal(409, "TASK_ACTIVE", "Only a task that has ended can be removed: cancel it first");
      await call.operations.removeTasks({ id: taskId });
      return { taskId };
    });
  },

  async answer(call, taskId) {
    const { key, response } = await call.body("key", "response");
    if (typeof key !== "string" || response === undefined) throw badRequest("An answer has a key and a response");
    if (!call.viewer.payloads) throw new Refusal(403, "FORBIDDEN", "You may not see questions");
    const answer = async () => {
      const { inputRequests, unreadable } = await recordFor(call, taskId, ["inputRequests"]);
      if (unreadable) throw badRequest("The task's questions cannot be read here: the server has no key for them");
      const question = Object.hasOwn(inputRequests, key) ? inputRequests[key] : undefined;
      if (!question) throw badRequest("The task has no open question under this key");
      const [problem] = problemsOf(question, response);
      if (problem !== undefined) throw badRequest(`The answer does not fit the question: ${problem}`);
      await call.operations.answerInput(taskId, key, response);
      return { taskId, key };
    };
    return act(call, "answer", taskId, answer, { key });
  },
} as const satisfies Record<string, (call: Call, taskId: string) => Promise<Response>>;

async function act(
  call: Call,
  action: Action,
  taskId: string,
  work: () => Promise<unknown>,
  details: Act["details"] = {},
): Promise<Response> {
  const target = { taskId };
  await call.allow(action, target);
  // A task that the viewer must not see is unknown, also for acts.
  if (call.viewer.owners !== undefined) await recordFor(call, taskId);
  const { audit, name } = call.room;
  return json(await audit.around({ user: call.viewer.user, store: name, action, target, details }, work));
}

/** Pauses or resumes the claims of a name. */
export async function setPaused(call: Call): Promise<Response> {
  const body = await call.body("name", "paused");
  const name = textIn(body, "name");
  const { paused } = body;
  if (name === undefined || typeof paused !== "boolean") throw badRequest("A pause has a name and paused");
  const target = { name };
  await call.allow("pause", target);
  const act = { user: call.viewer.user, store: call.room.name, action: "pause", target, details: { paused } } as const;
  await call.room.audit.around(act, () =>
    paused ? call.operations.pauseClaims(name) : call.operations.resumeClaims(name),
  );
  call.room.stats.forget();
  return json({ name, paused });
}
