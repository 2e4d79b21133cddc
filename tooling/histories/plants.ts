// Faults for a store, to see that a run finds them.
import type { NewTaskOptions, TaskStore, TaskStoreOptions } from "@mcp-task-store/core";
import { CAP } from "./cap-model.ts";

type Method<On> = (this: On, ...args: never[]) => unknown;

/** Replaces methods of a store, or of a part of it. Others go to the store itself. */
function withMethods<On extends object>(store: On, methods: Partial<Record<keyof On, unknown>>): On {
  return new Proxy(store, {
    get(target, key) {
      const own = methods[key as keyof On];
      if (own !== undefined) return own;
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === "function" ? (value as Method<On>).bind(target) : value;
    },
  });
}

/** Counts calls: true for one of so many. */
function oneOf(many: number): () => boolean {
  let count = 0;
  return () => ++count % many === 0;
}

const PLANTS = {
  /** Writes under any lease, lost or not. */
  "unfenced writes": (store) =>
    withMethods(store, {
      updateTask: ((id, change, { lease: _, ...options } = {}) =>
        store.updateTask(id, change, options)) satisfies TaskStore["updateTask"],
    }),
  /** Acknowledges a write that it does not make. */
  "lost writes": (store) => {
    const isLost = oneOf(3);
    return withMethods(store, {
      updateTaskStatus: (async (id, ...change) => {
        if (!isLost()) await store.updateTaskStatus(id, ...change);
      }) satisfies TaskStore["updateTaskStatus"],
    });
  },
  /** Reads from memory for a while after a read. */
  "stale reads": (store) => {
    const read = new Map<string, Promise<unknown>>();
    const isStale = oneOf(5);
    return withMethods(store, {
      getRecord: (id: string, options: object) => {
        const before = read.get(id);
        if (before && isStale()) return before;
        const now = store.getRecord(id, options);
        read.set(id, now);
        return now;
      },
    });
  },
  /** Gives the lease of a task to a second runner. */
  "two runners": (store) =>
    withMethods(store, {
      acquireLease: (async (id, options) => {
        const record = await store.operations.getRecord(id);
        if (record && record.claimableAt !== undefined && record.attempt > 0) await store.operations.requeueTask(id);
        return store.acquireLease(id, options);
      }) satisfies TaskStore["acquireLease"],
    }),
  /** Does a write a second time. */
  "repeated writes": (store) => {
    const isRepeated = oneOf(20);
    return withMethods(store, {
      updateTask: (async (id, change, options) => {
        const done = await store.updateTask(id, change, options);
        if (isRepeated()) await store.updateTask(id, change, options).catch(() => undefined);
        return done;
      }) satisfies TaskStore["updateTask"],
    });
  },
  /** Leaves messages in the queue that it gives out. */
  "messages given twice": (store) => {
    const isLeft = oneOf(10);
    const { messages } = store;
    return withMethods(store, {
      messages: {
        enqueue: messages.enqueue.bind(messages),
        dequeueAll: messages.dequeueAll.bind(messages),
        dequeue: async (id: string) => {
          const message = await messages.dequeue(id);
          if (message && isLeft()) await messages.enqueue(id, message);
          return message;
        },
      },
    });
  },
  /** Says of a failed call that it changed nothing, although its outcome is unknown. */
  "unknown called refused": (store) =>
    withMethods(store, {
      updateTask: (async (id, change, options) => {
        await store.updateTask(id, change, options);
        throw Object.assign(new Error("gone"), {
          name: "TaskStoreError",
          code: "BACKEND_UNAVAILABLE",
          write: "not-applied",
        });
      }) satisfies TaskStore["updateTask"],
    }),
  /** Claims of a name that is paused. */
  "claims in a pause": (store) =>
    withMethods(store, {
      claimTasks: (async (options) => {
        const paused = (await store.operations.pausedNames()).filter((name) => options.names.includes(name));
        for (const name of paused) await store.operations.resumeClaims(name);
        const claimed = await store.claimTasks(options);
        for (const name of paused) await store.operations.pauseClaims(name);
        return claimed;
      }) satisfies TaskStore["claimTasks"],
    }),
  /** Refuses a creation now and then, as if there were too many tasks. */
  "refusals below a cap": (store) => {
    const isRefused = oneOf(4);
    return withMethods(store, {
      createTask: (options: NewTaskOptions) =>
        isRefused()
          ? Promise.reject(Object.assign(new Error("full"), { name: "TaskStoreError", code: "LIMIT_EXCEEDED" }))
          : store.createTask(options),
    });
  },
  /** Runs a task again that has not ended. */
  "reruns of active tasks": (store) => {
    const operations: TaskStore["operations"] = withMethods(store.operations, {
      rerunTask: (async (id, options) => {
        const first = await store.operations.getRecord(id);
        if (first?.claimableAt === undefined || first.owner === undefined)
          return store.operations.rerunTask(id, options);
        return store.createTask({ name: first.name, owner: first.owner, ...options });
      }) satisfies TaskStore["operations"]["rerunTask"],
    });
    return withMethods(store, { operations });
  },
  /** One task more than the cap: see `plantedOptions`. */
  "a task above a cap": (store) => store,
} satisfies Record<string, (store: TaskStore) => TaskStore>;

export type PlantName = keyof typeof PLANTS;
export const PLANT_NAMES = Object.keys(PLANTS) as readonly PlantName[];

export function planted(store: TaskStore, plant: PlantName | undefined): TaskStore {
  return plant === undefined ? store : PLANTS[plant](store);
}

/** The options of a store with a fault, if the fault is one of options. */
export function plantedOptions(options: TaskStoreOptions, plant: PlantName | undefined): TaskStoreOptions {
  const above = plant === "a task above a cap" && options.limits;
  return above ? { ...options, limits: { activeTasksPerOwner: CAP + 1 } } : options;
}
