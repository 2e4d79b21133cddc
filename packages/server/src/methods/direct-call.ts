import { generateTaskId, type InputOptions, type TaskContext } from "@mcp-task-store/core";
import { assertJson, pause, Steps } from "@mcp-task-store/core/backend";
import type { ServerContext } from "@modelcontextprotocol/server";
import { CANNOT_ASK } from "../protocol/answers.ts";
import { isModern } from "../protocol/callers.ts";

/**
 * Makes the context of a handler whose call is answered at once, without a task. Its progress and
 * its questions go out on the stream of the call.
 */
export function withoutTask(of: Pick<TaskContext, "request" | "context">, ctx: ServerContext): TaskContext {
  const { signal } = ctx.mcpReq;
  const tell = progressOf(ctx);
  const refuse = (): never => {
    throw new Error(CANNOT_ASK);
  };
  const taskId = generateTaskId();
  // There is no task that could keep a result or come back later.
  const steps = new Steps({
    taskId,
    signal,
    kept: () => undefined,
    keep: async (_, result) => assertJson(result ?? null, "step's result"),
    sleep: (_, ms) => pause(ms, signal),
  });
  return {
    ...of,
    taskId,
    attempt: 1,
    failures: 0,
    checkpoint: undefined,
    signal,
    progress: async (message, checkpoint) => {
      assertJson(checkpoint, "checkpoint");
      if (signal.aborted) return false;
      await tell(message);
      return true;
    },
    step: (name, work, options) => steps.step(name, work, options),
    sleep: (name, ms) => steps.sleep(name, ms),
    elicit: async (params, options) =>
      isModern(ctx) ? refuse() : (ctx.mcpReq.elicitInput(params as never, { signal, ...timeoutOf(options) }) as never),
    sample: async (params, options) =>
      isModern(ctx)
        ? refuse()
        : (ctx.mcpReq.requestSampling(params as never, { signal, ...timeoutOf(options) }) as never),
  };
}

/** Sends progress to the client of a call, if the client asked for it. */
export function progressOf({ mcpReq }: ServerContext): (message: string | undefined) => Promise<void> {
  const progressToken = mcpReq._meta?.progressToken;
  let progress = 0;
  return async (message) => {
    progress += 1;
    if (progressToken === undefined) return;
    await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, message } } as never);
  };
}

function timeoutOf(options: InputOptions | undefined): { timeout?: number } {
  return options?.timeoutMs === undefined ? {} : { timeout: options.timeoutMs };
}
