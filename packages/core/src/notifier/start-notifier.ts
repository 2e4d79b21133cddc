import { invalid } from "../contract/errors.ts";
import type { TaskStore } from "../contract/task-store.ts";
import { type NotifierOptions, notifierSettings } from "./options.ts";
import { RunningNotifier } from "./running-notifier.ts";

/** Delivers events until it is stopped. */
export interface TaskNotifier extends AsyncDisposable {
  /**
   * Resolves once the notifier is registered: each change after that is delivered. Rejects if it
   * was stopped before, or with `NOT_SUPPORTED` if the store's backend keeps no events.
   */
  registered(): Promise<void>;
  /**
   * Takes no more events. Running deliveries have `waitMs` milliseconds to end; then their signals
   * abort, and their events are given back. The registration stays, so the store keeps events until
   * a process of this notifier runs again.
   * @param options.waitMs Default: 5,000.
   */
  stop(options?: { waitMs?: number | undefined }): Promise<void>;
}

/**
 * Delivers each change of these kinds at least once, in order for each task, by one of the
 * processes that start a notifier of this name. The change and its event are one write. So none is
 * lost when a process dies at any point, or when no process runs for a while. An event that fails
 * is tried again, and set aside after `limit` failures. `store.operations` shows what waits,
 * delivers again what was set aside, and removes a notifier for good.
 *
 * @throws TaskStoreError `INVALID_ARGUMENT` for invalid options
 * @example
 * ```ts
 * const notifier = startNotifier(store, {
 *   name: "mail",
 *   on: ["end", "input_required"],
 *   deliver: async ({ id, task }) => sendMail(task.owner, task.status, { messageId: id }),
 * });
 * process.once("SIGTERM", () => void notifier.stop());
 * ```
 */
export function startNotifier(store: Pick<TaskStore, "events">, options: NotifierOptions): TaskNotifier {
  if (typeof store?.events?.take !== "function")
    throw invalid("startNotifier needs a task store as its first argument");
  return new RunningNotifier(store.events, notifierSettings(options), options.signal);
}
