import { EventEmitter } from "node:events";
import {
  isTerminal,
  type TaskSnapshot,
  type TaskStatus,
  TaskStoreError,
  type WaitForTaskOptions,
} from "@mcp-task-store/core";
import { aboutChange, type ChangedTask, type OnChange } from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant, never, pause } from "./mutant.ts";

class Deaf extends MutableBackend {
  override async listen() {
    return async () => undefined;
  }
}

/** Signals only writes through this handle. */
class HearingItself extends MutableBackend {
  readonly #own = new EventEmitter();
  override async update(...args: Parameters<MutableBackend["update"]>) {
    const written = await super.update(...args);
    if (written.applied) this.#own.emit("change", args[0]);
    return written;
  }
  override async listen(onChange: (taskId?: string) => void) {
    this.#own.on("change", onChange);
    return async () => void this.#own.off("change", onChange);
  }
}

/**
 * Numbers a change before it is visible, like a database sequence. The listener reads the changes
 * after the last number.
 */
class NumberedEarly extends MutableBackend {
  #writes = 0;
  override async update(...args: Parameters<MutableBackend["update"]>) {
    const number = this.raw.prepare("update store set counter = counter + 1 returning counter").get();
    // Long enough for the listener to poll and for later writes to overtake this one.
    if (this.#writes++ % 2) await pause();
    const written = await super.update(...args);
    if (written.applied)
      this.raw.prepare("update tasks set changed = ? where task_id = ?").run(Number(number?.["counter"]), args[0]);
    return written;
  }
}

class Bare extends MutableBackend {
  override async readMany(taskIds: readonly string[]) {
    return super.readMany(taskIds, []);
  }
}

/** Adds the result of `say` to each signal. */
class Saying extends MutableBackend {
  override async listen(onChange: OnChange) {
    return super.listen((taskId) => {
      const task = taskId === undefined ? undefined : this.peek(taskId);
      onChange(taskId, task && this.say(aboutChange({ ...task, readAt: this.now() })));
    });
  }
  say(about: ChangedTask): ChangedTask {
    return about;
  }
}

class DeafForClaims extends Saying {
  async listenForClaims() {
    return async () => undefined;
  }
}

/** Once it has listened for claims, it goes on with that. */
class Narrow extends Saying {
  #narrow = false;
  listenForClaims(onChange: OnChange) {
    this.#narrow = true;
    return this.listen(onChange);
  }
  override async listen(onChange: OnChange) {
    const narrow = this.#narrow;
    return super.listen((taskId, about) => (narrow && !about?.claimable) || onChange(taskId, about));
  }
}

class Mislabelling extends Saying {
  override say(about: ChangedTask) {
    return { ...about, name: about.name === "bake" ? "grind" : "bake" };
  }
}

class Overdue extends Saying {
  override say(about: ChangedTask) {
    return { ...about, claimable: true };
  }
}

class Calm extends Saying {
  override say(about: ChangedTask) {
    return { ...about, claimable: false };
  }
}

/** Announces changes per file before they happen. */
const premature = new EventEmitter().setMaxListeners(0);

export const waitingMutants: Mutant[] = [
  {
    id: "deaf",
    breaks: "No change is ever signalled",
    kills: [
      "waiting/wakes",
      "waiting/cancel-reaches-the-runner",
      "waiting/every-waiter-wakes",
      "waiting/until-statuses",
      "waiting/after",
      "waiting/for-result",
      "waiting/events-after-the-change",
      "waiting/events-in-order",
      "waiting/events-of-all",
      "waiting/unsubscribe",
      "waiting/tasks-do-not-mix",
      "inputs/answer-reaches-the-runner",
      "inputs/end-ends-the-wait",
      "leases/are-not-changes",
      "running/cancel-stops-the-work",
      "lifecycle/one-of-several",
      "lifecycle/close-ends-events",
      "lifecycle/namespaces",
      "processes/wakes",
      "processes/events",
      "processes/cancel-reaches-the-runner",
      "processes/answer-reaches-the-runner",
    ],
    backend: Deaf,
  },
  {
    id: "hears-itself",
    breaks: "Changes by other processes are not signalled",
    kills: [
      "waiting/wakes",
      "waiting/cancel-reaches-the-runner",
      "waiting/every-waiter-wakes",
      "inputs/answer-reaches-the-runner",
      "processes/wakes",
      "processes/events",
      "processes/cancel-reaches-the-runner",
      "processes/answer-reaches-the-runner",
    ],
    backend: HearingItself,
  },
  {
    id: "numbered-early",
    breaks: "The change feed skips changes that become visible after a larger number",
    kills: ["races/no-change-is-missed"],
    backend: NumberedEarly,
  },
  {
    id: "finished-hangs",
    breaks: "A wait for a finished task hangs",
    kills: ["waiting/finished-task"],
    store: (store) => ({
      async waitForTask(taskId, options) {
        const task = await store.getTask(taskId);
        return task && isTerminal(task.status) ? never : store.waitForTask(taskId, options);
      },
    }),
  },
  {
    id: "wrong-names",
    breaks: "Signals name the tool of another task",
    kills: ["waiting/events-chosen", "leases/watch-claimable"],
    backend: Mislabelling,
  },
  {
    id: "all-claimable",
    breaks: "Signals report every task as claimable",
    kills: ["leases/watch-claimable"],
    backend: Overdue,
  },
  {
    id: "none-claimable",
    breaks: "Signals report no task as claimable",
    kills: ["leases/watch-claimable"],
    backend: Calm,
  },
  {
    id: "hears-claimable-only",
    breaks: "A store whose workers wait hears of claimable tasks alone from then on",
    kills: ["leases/watch-beside-waits"],
    backend: Narrow,
  },
  {
    id: "deaf-for-claims",
    breaks: "A store of which only workers wait hears of nothing",
    kills: ["leases/watch-claimable"],
    backend: DeafForClaims,
  },
  {
    id: "every-name",
    breaks: "A subscription to names gets events of every task",
    kills: ["waiting/events-chosen"],
    store: (store) => ({
      subscribe: (listener, { names: _, ...options } = {}) => store.subscribe(listener, options),
    }),
  },
  {
    id: "every-status",
    breaks: "A subscription to statuses gets every state",
    kills: ["waiting/events-chosen"],
    store: (store) => ({
      subscribe: (listener, { statuses: _, ...options } = {}) => store.subscribe(listener, options),
    }),
  },
  {
    id: "watched-for-ever",
    breaks: "A watcher for claimable tasks is called after it ended",
    kills: ["leases/watch-claimable"],
    store: (store) => ({
      async watchClaimable(listener) {
        await store.watchClaimable(listener);
        return () => undefined;
      },
    }),
  },
  {
    id: "bare-waits",
    breaks: "A wait returns no payloads",
    kills: ["waiting/fields", "waiting/for-result"],
    backend: Bare,
  },
  {
    id: "fields-of-the-first-waiter",
    breaks: "The first waiter for a task decides which fields all get",
    kills: ["waiting/fields"],
    store(store) {
      const first = new Map<string, WaitForTaskOptions>();
      return {
        waitForTask(taskId, options = {}) {
          if (!first.has(taskId)) first.set(taskId, options);
          return store.waitForTask(taskId, { ...options, fields: first.get(taskId)?.fields });
        },
      };
    },
  },
  {
    id: "last-waiter",
    breaks: "A second waiter replaces the first",
    kills: ["waiting/every-waiter-wakes"],
    store(store) {
      const last = new Map<string, object>();
      return {
        async waitForTask(taskId, options) {
          const waiter = {};
          last.set(taskId, waiter);
          const snapshot = await store.waitForTask(taskId, options);
          return last.get(taskId) === waiter ? snapshot : never;
        },
      };
    },
  },
  {
    id: "check-then-wait",
    breaks: "A change between check and wait is missed",
    kills: ["waiting/no-change-is-missed"],
    store: (store) => ({
      async waitForTask(taskId, options) {
        const now = await store.waitForTask(taskId, { ...options, until: "change" });
        if (isTerminal(now.task.status)) return now;
        await pause(60);
        return new Promise((resolve) => {
          void store.subscribe(
            (event) => event.task.taskId === taskId && isTerminal(event.task.status) && resolve(event),
          );
        });
      },
    }),
  },
  {
    id: "until-unread",
    breaks: "Any state ends a wait",
    kills: ["waiting/until-statuses", "waiting/cancel-reaches-the-runner"],
    store: (store) => ({
      waitForTask: (taskId, options) => store.waitForTask(taskId, { ...options, until: "change" }),
    }),
  },
  {
    id: "after-unread",
    breaks: "`after` is an option that nothing reads",
    kills: ["waiting/after", "waiting/wakes"],
    store: (store) => ({ waitForTask: (taskId, { after: _, ...options } = {}) => store.waitForTask(taskId, options) }),
  },
  {
    id: "unknown-hangs",
    breaks: "A wait for an unknown task hangs",
    kills: ["waiting/unknown-task", "errors/not-found"],
    store: (store) => ({
      waitForTask: (...args) =>
        store.waitForTask(...args).catch((error) => {
          if (error.code === "TASK_NOT_FOUND") return never;
          throw error;
        }),
    }),
  },
  {
    id: "no-timeout",
    breaks: "`timeoutMs` is an option that nothing reads",
    kills: ["waiting/timeout", "running/input-timeout"],
    store: (store) => ({
      waitForTask: (taskId, { timeoutMs: _, ...options } = {}) => store.waitForTask(taskId, options),
      awaitInput: (taskId, key, { timeoutMs: _, ...options } = {}) => store.awaitInput(taskId, key, options),
    }),
  },
  {
    id: "no-signal",
    breaks: "`signal` is an option that nothing reads",
    kills: ["waiting/signal"],
    store: (store) => ({
      waitForResult: (taskId, { signal: _, ...options } = {}) => store.waitForResult(taskId, options),
    }),
  },
  {
    id: "no-result-is-empty",
    breaks: "`waitForResult` invents a result",
    kills: ["waiting/for-result"],
    store: (store) => ({
      waitForResult: (...args) =>
        store.waitForResult(...args).catch((error) => {
          if (error.code === "RESULT_NOT_READY") return {};
          throw error;
        }),
    }),
  },
  {
    id: "premature-events",
    breaks: "An event is published before the change",
    kills: ["waiting/events-after-the-change"],
    store(store, { file }) {
      const publish = async (taskId: string, status: TaskStatus | undefined) => {
        const record = await store.getRecord(taskId);
        if (!record) return;
        const task = { ...record.task, status: status ?? record.task.status };
        premature.emit(file, { task, revision: record.revision + 1 } satisfies TaskSnapshot);
        await pause();
      };
      return {
        async updateTask(taskId, change, options) {
          await publish(taskId, change.status);
          return store.updateTask(taskId, change, options);
        },
        async storeTaskResult(taskId, status, ...rest) {
          await publish(taskId, status);
          return store.storeTaskResult(taskId, status, ...rest);
        },
        async subscribe(listener, { taskId } = {}) {
          const tell = (event: TaskSnapshot) => (!taskId || event.task.taskId === taskId) && listener(event);
          premature.on(file, tell);
          return () => void premature.off(file, tell);
        },
      };
    },
  },
  {
    id: "old-state-in-events",
    breaks: "An event carries the state before the change",
    kills: ["waiting/events-in-order", "waiting/events-of-all"],
    store: (store) => ({
      subscribe(listener, options) {
        const last = new Map<string, TaskSnapshot>();
        return store.subscribe((event) => {
          const before = last.get(event.task.taskId);
          last.set(event.task.taskId, event);
          if (before) listener(before);
        }, options);
      },
    }),
  },
  {
    id: "events-twice",
    breaks: "Every event comes twice",
    kills: ["waiting/events-in-order", "waiting/first-event"],
    store: (store) => ({
      subscribe: (listener, options) =>
        store.subscribe((event) => {
          listener(event);
          listener(event);
        }, options),
    }),
  },
  {
    id: "no-first-event",
    breaks: "The present state does not come first",
    kills: ["waiting/first-event"],
    store: (store) => ({
      subscribe: (listener, { taskId, ...options } = {}) =>
        store.subscribe((event) => {
          if (taskId === undefined || event.task.taskId === taskId) listener(event);
        }, options),
    }),
  },
  {
    id: "events-of-known-tasks",
    breaks: "Only tasks that this store created have events",
    kills: ["waiting/events-of-all", "isolation/foreign-events"],
    store(store) {
      const known = new Set<string>();
      return {
        async createTask(...args) {
          const task = await store.createTask(...args);
          known.add(task.taskId);
          return task;
        },
        subscribe: (listener, options) =>
          store.subscribe((event) => known.has(event.task.taskId) && listener(event), options),
      };
    },
  },
  {
    id: "endless-subscription",
    breaks: "A subscription cannot be ended",
    kills: ["waiting/unsubscribe"],
    store: (store) => ({
      async subscribe(...args) {
        await store.subscribe(...args);
        return () => undefined;
      },
    }),
  },
  {
    id: "fragile-listeners",
    breaks: "A listener that throws ends every subscription",
    kills: ["waiting/broken-listener"],
    store(store) {
      let broken = false;
      return {
        subscribe: (listener, options) =>
          store.subscribe((event) => {
            if (broken) return;
            try {
              listener(event);
            } catch (error) {
              broken = true;
              throw error;
            }
          }, options),
      };
    },
  },
  {
    id: "mixed-up-tasks",
    breaks: "A wait ends with the end of any task",
    kills: ["waiting/tasks-do-not-mix"],
    store: (store) => ({
      waitForTask: (taskId, options) =>
        Promise.race([
          store.waitForTask(taskId, options),
          new Promise<TaskSnapshot>((resolve) => {
            void store.subscribe((event) => isTerminal(event.task.status) && resolve(event));
          }),
        ]),
    }),
  },
  {
    id: "event-for-nobody",
    breaks: "A subscription to an unknown task fails",
    kills: ["waiting/unknown-task"],
    store: (store) => ({
      async subscribe(listener, options) {
        if (options?.taskId !== undefined && !(await store.getTask(options.taskId)))
          throw new TaskStoreError("TASK_NOT_FOUND", `Task with ID ${options.taskId} not found`);
        return store.subscribe(listener, options);
      },
    }),
  },
];
