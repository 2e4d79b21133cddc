import type { StoredTask } from "./backend.ts";
import type { ChangeHub, Watcher } from "./change-hub.ts";
import type { SubscribeOptions, TaskSnapshot, WaitForTaskOptions, WaitOptions } from "./contract.ts";
import { type Engine, toSnapshot } from "./engine.ts";
import { expired, invalid, notFound } from "./errors.ts";
import { isStorableKey } from "./json.ts";
import { isInScope } from "./rules.ts";
import { checkNumber, MAX_TIMER_MS } from "./settings.ts";
import { isTaskStatus, isTerminal, type TaskStatus } from "./task.ts";

/** Revisions that a subscriber to all tasks was last told of, at most; beyond it, the oldest may come twice. */
const REMEMBERED = 10_000;

/** Waits for states of tasks, on top of the hub. */
export class Waiting {
  readonly #engine: Engine;
  readonly #hub: ChangeHub;

  constructor(engine: Engine, hub: ChangeHub) {
    this.#engine = engine;
    this.#hub = hub;
  }

  /**
   * Resolves with the first state that is terminal or passes `test`.
   * @param known The task was there before: when it is gone, it expired.
   */
  async until(
    taskId: string,
    options: WaitOptions,
    test: (task: StoredTask) => boolean,
    known = false,
  ): Promise<StoredTask> {
    const scope = this.#engine.scope(options.owner);
    const { signal, timeoutMs } = options;
    signal?.throwIfAborted();
    if (typeof taskId !== "string" || !isStorableKey(taskId)) throw notFound(String(taskId));
    const timeout =
      timeoutMs === undefined
        ? undefined
        : AbortSignal.timeout(Math.ceil(Math.min(checkNumber("timeoutMs", timeoutMs, 0), MAX_TIMER_MS)));
    let seen = known;
    const { promise, resolve, reject } = Promise.withResolvers<StoredTask>();
    const watcher: Watcher = {
      taskId,
      onTask(task) {
        if (!task || !isInScope(scope, task.owner)) reject(seen ? expired(taskId) : notFound(taskId));
        else if (isTerminal(task.status) || test(task)) resolve(task);
        seen = true;
      },
      onError: reject,
    };
    const abort = (event: Event) => reject((event.target as AbortSignal).reason);
    signal?.addEventListener("abort", abort, { once: true });
    timeout?.addEventListener("abort", abort, { once: true });
    try {
      this.#hub.add(watcher).catch(reject);
      return await promise;
    } finally {
      this.#hub.delete(watcher);
      signal?.removeEventListener("abort", abort);
      timeout?.removeEventListener("abort", abort);
    }
  }

  async forTask(taskId: string, options: WaitForTaskOptions): Promise<TaskSnapshot> {
    const { until = "terminal", after = 0 } = options;
    let statuses: readonly TaskStatus[] | undefined;
    if (Array.isArray(until) && until.every(isTaskStatus)) statuses = until;
    else if (until === "terminal") statuses = [];
    else if (until !== "change") throw invalid('until must be "terminal", "change" or a list of statuses', taskId);
    return toSnapshot(
      await this.until(taskId, options, (task) => task.revision > after && (statuses?.includes(task.status) ?? true)),
    );
  }

  async subscribe(listener: (event: TaskSnapshot) => void, options: SubscribeOptions): Promise<() => void> {
    const scope = this.#engine.scope(options.owner);
    // No task can have such an id, and one read of it could fail the read of all others.
    if (options.taskId !== undefined && !isStorableKey(options.taskId)) {
      await this.#engine.open();
      return () => undefined;
    }
    const told = new Map<string, number>();
    const watcher: Watcher = {
      ...(options.taskId === undefined ? {} : { taskId: options.taskId }),
      onTask: (task) => {
        if (!task || !isInScope(scope, task.owner) || (told.get(task.taskId) ?? 0) >= task.revision) return;
        // Re-inserted, so that the oldest entry is the first one.
        told.delete(task.taskId);
        told.set(task.taskId, task.revision);
        if (told.size > REMEMBERED) told.delete(told.keys().next().value as string);
        try {
          listener(toSnapshot(task));
        } catch (error) {
          this.#engine.report(error);
        }
      },
      onError: () => undefined,
    };
    await this.#hub.add(watcher);
    return () => this.#hub.delete(watcher);
  }
}
