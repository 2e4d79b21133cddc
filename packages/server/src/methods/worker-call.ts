import { type CreatedTask, isTaskStoreError, type Task } from "@mcp-task-store/core";
import { ProtocolError, ProtocolErrorCode, type Result, type ServerContext } from "@modelcontextprotocol/server";
import type { ExtensionContext } from "../extension-context.ts";
import { ANSWER_ERROR, CANNOT_ASK } from "../protocol/answers.ts";
import { isModern } from "../protocol/callers.ts";
import { asProtocolError, isGone, resultOf, type ShownTask } from "../protocol/wire.ts";
import { untilEnded } from "../running/until-ended.ts";
import type { LegacyConnection } from "../transports/legacy-connection.ts";
import { progressOf } from "./direct-call.ts";

/**
 * Answers a call at once although its handler runs only in workers: `create` makes a task that the
 * client does not see, and the call waits for the end of that task. The task is cancelled with the
 * request that made it.
 */
export async function throughWorker(
  extension: ExtensionContext,
  connection: LegacyConnection,
  ctx: ServerContext,
  create: () => Promise<Task & Partial<CreatedTask>>,
): Promise<Result> {
  const { store, waits, onError } = extension;
  const { signal, id, _meta } = ctx.mcpReq;
  const owner = extension.ownerOf(ctx);
  const asked: string[] = [];
  let free: (() => void) | undefined;
  try {
    free = waits.take(owner);
    const { taskId, created } = await create();
    const ended = untilEnded(extension, taskId, {
      owner,
      signal,
      onMessage: _meta?.progressToken === undefined ? undefined : progressOf(ctx),
      onQuestions: async (task) => {
        if (isModern(ctx)) await store.provideInputs(taskId, noAnswers(task), { owner });
        else asked.push(...(await connection.ask(task, id)));
      },
    });
    const record = await ended.catch(async (error: unknown) => {
      // The client no longer waits. Of a task that another call made, that one may.
      if (created !== false)
        await store.cancelTask(taskId, { owner }).catch((failure) => hasEnded(failure) || onError(failure));
      throw isGone(error) ? new ProtocolError(ProtocolErrorCode.InternalError, "The call's task has expired") : error;
    });
    return resultOf(record);
  } catch (error) {
    throw asProtocolError(error);
  } finally {
    free?.();
    connection.forget(asked);
  }
}

/** Answers each question with the error that the client cannot be asked. */
function noAnswers({ inputRequests = {} }: ShownTask): Record<string, Record<string, unknown>> {
  return Object.fromEntries(
    Object.keys(inputRequests).map((key) => [key, { [ANSWER_ERROR]: { message: CANNOT_ASK } }]),
  );
}

/** Whether the task ended before it was cancelled, or is gone. */
function hasEnded(error: unknown): boolean {
  return isGone(error) || isTaskStoreError(error, "TASK_TERMINAL");
}
