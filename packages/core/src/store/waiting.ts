import { RecentMap } from "../backend/recent-map.ts";
import { isInScope } from "../backend/rules.ts";
import type { PayloadField, StoredTask } from "../backend/stored-task.ts";
import { SUBSCRIBE_OPTIONS } from "../contract/call-options.ts";
import { isStorableKey, MAX_TIMER_MS } from "../contract/checks.ts";
import { expired, invalid, notFound } from "../contract/errors.ts";
import { checkOptions } from "../contract/option-checks.ts";
import type { SubscribeOptions, WaitForTaskOptions, WaitOptions } from "../contract/options.ts";
import type { TaskSnapshot } from "../contract/record.ts";
import { isTaskStatus, isTerminal, type TaskStatus } from "../contract/task.ts";
import { deadline, onAbort, timedOut } from "../process/aborts.ts";
import { keepAlive } from "../process/keep-alive.ts";
import type { BackendGateway } from "./backend-gateway.ts";
import type { ChangeHub, Watcher } from "./change-hub.ts";
import { toSnapshot } from "./snapshot.ts";

/**
 * How many tasks' last states a subscription to all tasks remembers. Beyond that, its listener may
 * get the oldest states twice.
 */
const REMEMBERED = 10_000;

/** How long a wait may take, in ms. @throws TaskStoreError `INVALID_ARGUMENT` */
export function timeoutMsOf(timeoutMs: number | undefined): number | undefined {
  return timeoutMs === undefined ? undefined : Math.min(timeoutMs, MAX_TIMER_MS);
}

/** Waits for states of tasks, on top of the hub. */
export class Waiting {
  readonly #gateway: BackendGateway;
  readonly #hub: ChangeHub;

  constructor(gateway: BackendGateway, hub: ChangeHub) {
    this.#gateway = gateway;
    this.#hub = hub;
  }

  /**
   * Resolves to the first state that is terminal or passes `test`, with these payloads.
   * @param known The task existed before, so if it is gone now, it expired.
   */
  async until(
    taskId: string,
    options: WaitOptions,
    payloads: readonly PayloadField[],
    test: (task: StoredTask) => boolean,
    known = false,
  ): Promise<StoredTask> {
    const scope = this.#gateway.scope(options.owner);
    const { signal, timeoutMs } = options;
    signal?.throwIfAborted();
    if (!isStorableKey(taskId)) throw notFound(taskId);
    const ms = timeoutMsOf(timeoutMs);
    let seen = known;
    let over = false;
    const { promise, resolve, reject } = Promise.withResolvers<StoredTask>();
    const watcher: Watcher = {
      taskId,
      payloads,
      onTask(task) {
        // The wait may have ended during the first read.
        if (over) return;
        over = true;
        if (!task || !isInScope(scope, task.owner)) reject(seen ? expired(taskId) : notFound(taskId));
        else if (isTerminal(task.status) || test(task)) resolve(task);
        else over = false;
        seen = true;
      },
      onError: reject,
    };
    const end = options.keepAlive === false ? undefined : keepAlive();
    const forget = onAbort(signal, reject);
    const cancel = deadline(ms, () => reject(timedOut()));
    const begin = async () => {
      // The hub reads tasks without a scope, for all watchers at once. The first read has the
      // scope, so that a foreign id takes as long as an unknown one.
      if (scope !== null && !known) watcher.onTask(await this.#gateway.read(taskId, scope, payloads));
      if (!over) await this.#hub.add(watcher);
    };
    try {
      begin().catch(reject);
      return await promise;
    } finally {
      over = true;
      this.#hub.delete(watcher);
      end?.();
      forget();
      cancel();
    }
  }

  /** Resolves to the state that the options ask for, with these payloads. */
  async forTask(taskId: string, options: WaitForTaskOptions, payloads: readonly PayloadField[]): Promise<StoredTask> {
    const { until = "terminal", after = 0 } = options;
    let statuses: readonly TaskStatus[] | undefined;
    if (Array.isArray(until) && until.every(isTaskStatus)) statuses = until;
    else if (until === "terminal") statuses = [];
    else if (until !== "change") throw invalid('until must be "terminal", "change" or a list of statuses', taskId);
    return this.until(
      taskId,
      options,
      payloads,
      (task) => task.revision > after && (statuses?.includes(task.status) ?? true),
    );
  }

  async subscribe(listener: (event: TaskSnapshot) => void, options: SubscribeOptions): Promise<() => void> {
    checkOptions("subscribe", options, SUBSCRIBE_OPTIONS);
    if (typeof listener !== "function") throw invalid("subscribe needs a listener: a function that takes each change");
    const scope = this.#gateway.scope(options.owner);
    // No task can have such an id, and its presence could fail a read of many tasks.
    if (options.taskId !== undefined && !isStorableKey(options.taskId)) {
      await this.#gateway.open();
      return () => undefined;
    }
    const { names, statuses } = options;
    const tell = this.#gateway.listener(
      (task: StoredTask) => listener(toSnapshot(task)),
      ({ taskId }) => taskId,
    );
    const told = new RecentMap<string, string>(REMEMBERED);
    const watcher: Watcher = {
      ...(options.taskId === undefined ? {} : { taskId: options.taskId }),
      wants: ({ owner, name, status }) =>
        isInScope(scope, owner) && (names?.includes(name) ?? true) && (statuses?.includes(status) ?? true),
      onTask: (task) => {
        if (!task) return;
        // Reads come in order. A smaller revision is a new state: a failover lost the ones before,
        // or another task has the id.
        const state = `${task.revision} ${task.updatedAt} ${task.status}`;
        if (told.get(task.taskId) === state) return;
        told.set(task.taskId, state);
        tell(task);
      },
      onError: () => undefined,
    };
    await this.#hub.add(watcher);
    return () => this.#hub.delete(watcher);
  }

  async claimable(listener: (name: string | undefined) => void): Promise<() => void> {
    if (typeof listener !== "function")
      throw invalid("watchClaimable needs a listener: a function that takes the names of claimable tasks");
    const watcher = this.#gateway.listener(listener);
    await this.#hub.addClaims(watcher);
    return () => this.#hub.deleteClaims(watcher);
  }
}
