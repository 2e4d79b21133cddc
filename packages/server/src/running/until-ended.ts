import { isTerminal } from "@mcp-task-store/core";
import type { ExtensionContext } from "../extension-context.ts";
import { SHOWN, type ShownTask } from "../protocol/wire.ts";

/** How a request waits for the end of a task. */
export interface Watching {
  owner: string;
  /** The signal of the request. It ends the wait. */
  signal: AbortSignal;
  /** Called with each new status message. */
  onMessage?: ((message: string) => Promise<void>) | undefined;
  /** Called each time that the task waits for input. */
  onQuestions: (task: ShownTask) => Promise<void>;
}

/**
 * Resolves to the task with its result or error, once it has ended.
 * @throws TaskStoreError `TASK_NOT_FOUND` if the owner has no such task, `TASK_EXPIRED`
 */
export async function untilEnded(
  extension: ExtensionContext,
  taskId: string,
  { owner, signal, onMessage, onQuestions }: Watching,
): Promise<ShownTask> {
  const until = onMessage ? "change" : (["input_required", "completed", "failed", "cancelled"] as const);
  let said: string | undefined;
  for (let after = 0; ; ) {
    const shown = await extension.store.waitForTask(taskId, {
      keepAlive: false,
      owner,
      signal,
      after,
      until,
      fields: SHOWN,
    });
    after = shown.revision;
    const { status, statusMessage } = shown.task;
    if (statusMessage !== undefined && statusMessage !== said) await onMessage?.(statusMessage);
    said = statusMessage;
    if (isTerminal(status)) return shown;
    if (status === "input_required") await onQuestions(shown);
  }
}
