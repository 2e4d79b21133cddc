import { checkStore } from "../contract/call-options.ts";
import type { RunnerStore } from "../contract/task-store.ts";
import { Poller } from "./schedule.ts";
import type { PollerOptions, TaskPoller } from "./task-poller.ts";

/**
 * Follows remote tasks of servers of either generation, on one schedule. It polls each task at the
 * interval that its server asks for, until the task is terminal. The local store has a task for
 * each remote one, with its status and message, and in the end with its result or JSON-RPC error.
 *
 * A poller takes up every unfinished task of the store that no live poller has. So an application
 * need not call `follow` again after a restart. Pollers on one store share the tasks, and one of
 * them polls each task. A poller keeps its process alive until it is stopped.
 *
 * @param store Use a durable store if the tasks have to survive a restart.
 * @throws TaskStoreError `INVALID_ARGUMENT` for invalid options
 * @see MCP 2025-11-25, Tasks, "Polling"; SEP-2663, "Task Polling"
 * @example
 * ```ts
 * const poller = startPoller(store, {
 *   poll: (reference, { signal }) => getTaskOf(reference, signal),
 * });
 * const taskId = await poller.follow({ server: "studio", taskId: remote.taskId });
 * const { status, result } = await poller.wait(taskId);
 * ```
 */
export function startPoller(store: RunnerStore, options: PollerOptions): TaskPoller {
  checkStore("startPoller", store);
  return new Poller(store, options);
}
