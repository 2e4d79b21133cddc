import { isTaskStoreError } from "@mcp-task-store/core";
import { onAbort } from "@mcp-task-store/core/backend";
import type { ExtensionContext } from "../extension-context.ts";
import { SHOWN, type ShownTask, unknownTask } from "../protocol/wire.ts";
import type { Watching } from "./until-ended.ts";

/** How a request waits for a change. */
interface Waiting extends Pick<Watching, "owner" | "signal"> {
  /** Longest time to wait, in milliseconds. */
  waitMs: number;
  /** `pause`: until the task has ended or waits for input. */
  until?: "change" | "pause";
}

const PAUSED = ["input_required", "completed", "failed", "cancelled"] as const;

/**
 * Resolves to the task after its next change, or as it was when the wait ends without one: after
 * `waitMs`, when the extension closes, or when the store fails. A task that does not work has no
 * wait, and neither has a poll beyond the limit.
 * @throws ProtocolError -32602 if the owner has no such task
 * @throws TaskStoreError `TASK_NOT_FOUND`, `TASK_EXPIRED` if the task goes during the wait
 */
export async function afterChange(
  extension: ExtensionContext,
  taskId: string,
  { owner, signal, waitMs, until = "change" }: Waiting,
): Promise<ShownTask> {
  const { store, polls } = extension;
  const shown = await store.getRecord(taskId, { owner, fields: SHOWN });
  if (!shown) throw unknownTask();
  const free = shown.task.status === "working" && waitMs > 0 ? polls.takeIfFree(owner) : undefined;
  if (!free) return shown;
  const abort = new AbortController();
  const end = () => abort.abort();
  const forgets = [extension.onClose(end), onAbort(signal, end)];
  try {
    return await store.waitForTask(taskId, {
      keepAlive: false,
      owner,
      signal: abort.signal,
      until: until === "change" ? until : PAUSED,
      after: shown.revision,
      timeoutMs: waitMs,
      fields: SHOWN,
    });
  } catch (error) {
    if (isTaskStoreError(error, "TASK_NOT_FOUND") || isTaskStoreError(error, "TASK_EXPIRED")) throw error;
    // The task may have told of its progress.
    return (until === "pause" && (await store.getRecord(taskId, { owner, fields: SHOWN }))) || shown;
  } finally {
    for (const forget of forgets) forget();
    free();
  }
}
