import { EventEmitter } from "node:events";
import { type Task, type TaskStore, TaskStoreError } from "@mcp-task-store/core";
import { everyMethod, MutableBackend, type Mutant, never, pause } from "./mutant.ts";

const isUnavailable = (error: unknown) => (error as { code?: unknown }).code === "BACKEND_UNAVAILABLE";

/** Open stores of this process, by file. */
const open = new Map<string, Set<TaskStore>>();

/** How many handles of this process are open, by file. */
const handles = new Map<string, number>();

class Forgetting extends MutableBackend {
  #open = false;
  override async open() {
    const opened = await super.open();
    const others = handles.get(this.file) ?? 0;
    if (!this.#open && others === 0) this.raw.exec("delete from tasks; delete from messages");
    if (!this.#open) handles.set(this.file, others + 1);
    this.#open = true;
    return opened;
  }
  override async close() {
    if (this.#open) handles.set(this.file, (handles.get(this.file) ?? 1) - 1);
    this.#open = false;
    await super.close();
  }
}

export const lifecycleMutants: Mutant[] = [
  {
    id: "raw-errors",
    breaks: "The driver's errors reach the caller",
    kills: ["failure/unavailable", "failure/works-again"],
    store: (store) =>
      everyMethod(store, (call) =>
        call().catch((error) => {
          throw isUnavailable(error) ? error.cause : error;
        }),
      ),
  },
  {
    id: "no-cause",
    breaks: "The error lacks the driver's error",
    kills: ["failure/unavailable"],
    store: (store) =>
      everyMethod(store, (call) =>
        call().catch((error) => {
          throw isUnavailable(error) ? new TaskStoreError("BACKEND_UNAVAILABLE", error.message) : error;
        }),
      ),
  },
  {
    id: "detailed-errors",
    breaks: "The message holds the driver's message",
    kills: ["failure/tells-no-details"],
    store: (store) =>
      everyMethod(store, (call) =>
        call().catch((error) => {
          throw isUnavailable(error)
            ? Object.assign(error, { message: `${error.message}: ${error.cause.message}` })
            : error;
        }),
      ),
  },
  {
    id: "gives-up",
    breaks: "The store stays broken after an outage",
    kills: ["failure/works-again"],
    store(store) {
      let last: unknown;
      return everyMethod(store, async (call) => {
        if (last) throw last;
        return call().catch((error) => {
          if (isUnavailable(error)) last = error;
          throw error;
        });
      });
    },
  },
  {
    id: "deaf-after-outage",
    breaks: "No event comes after an outage",
    kills: ["failure/listeners-recover"],
    store(store) {
      let deaf = false;
      return {
        getTask: (...args) =>
          store.getTask(...args).catch((error) => {
            deaf = isUnavailable(error);
            throw error;
          }),
        subscribe: (listener, options) => store.subscribe((event) => deaf || listener(event), options),
      };
    },
  },
  {
    id: "silent-after-outage",
    breaks: "After an outage, waits hear of changes by fallback reads alone",
    kills: ["failure/signals-recover"],
    store(store, { options }) {
      let silent = false;
      const frequent = (options.fallbackPollMs ?? 0) <= 1000;
      return {
        async waitForTask(...args) {
          const waited = await store.waitForTask(...args).catch((error) => {
            silent = isUnavailable(error);
            throw error;
          });
          return silent && !frequent ? never : waited;
        },
        getTask: (...args) =>
          store.getTask(...args).catch((error) => {
            silent = isUnavailable(error);
            throw error;
          }),
      };
    },
  },
  {
    id: "denies-parts",
    breaks: "A call that was done in part says that nothing was written",
    kills: ["failure/parts"],
    store: ({ operations }) => ({
      operations: {
        importTasks: (...args) =>
          operations.importTasks(...args).catch((error) => {
            throw isUnavailable(error) ? Object.assign(error, { write: "not-applied" }) : error;
          }),
      },
    }),
  },
  {
    id: "needs-opening",
    breaks: "Other methods work only after the first list",
    kills: ["lifecycle/opening"],
    store(store) {
      let opened = false;
      return everyMethod(store, async (call, name) => {
        if (!opened && name === "getTask") throw new TaskStoreError("BACKEND_UNAVAILABLE", "The store is not open");
        const value = await call();
        opened = true;
        return value;
      });
    },
  },
  {
    id: "never-closes",
    breaks: "`close` does nothing",
    kills: [
      "lifecycle/closed",
      "lifecycle/never-opened",
      "lifecycle/closing",
      "lifecycle/close-is-idempotent",
      "lifecycle/close-ends-waits",
      "messages/dequeue-all-never-rejects",
    ],
    store: () => ({ close: async () => undefined }),
  },
  {
    id: "closes-later",
    breaks: "Calls still go through while the store closes",
    kills: ["lifecycle/closing"],
    store: (store) => ({
      async close() {
        await pause();
        await store.close();
      },
    }),
  },
  {
    id: "closes-once",
    breaks: "A second `close` hangs",
    kills: ["lifecycle/close-is-idempotent"],
    store(store) {
      let closed = false;
      return {
        async close() {
          if (closed) return never;
          closed = true;
          return store.close();
        },
      };
    },
  },
  {
    id: "closes-all",
    breaks: "Closing one store closes every other",
    kills: ["lifecycle/one-of-several"],
    store(store, { file }) {
      const all = open.get(file) ?? new Set();
      open.set(file, all.add(store));
      return {
        async close() {
          for (const each of all) await each.close();
        },
      };
    },
  },
  {
    id: "close-lets-wait",
    breaks: "`close` leaves waiters waiting",
    kills: ["lifecycle/close-ends-waits"],
    store: (store) => ({
      waitForTask: (...args) =>
        store.waitForTask(...args).catch((error) => {
          if (error.code === "STORE_CLOSED") return never;
          throw error;
        }),
    }),
  },
  {
    id: "events-after-close",
    breaks: "Events come after `close`",
    kills: ["lifecycle/close-ends-events"],
    store: (store, { options, twin }) => ({
      subscribe: (listener, subscription) => twin(options).subscribe(listener, subscription),
      close: () => store.close(),
    }),
  },
  {
    id: "thawed-capabilities",
    breaks: "The capabilities can be changed",
    kills: ["lifecycle/capabilities"],
    store: () => ({ capabilities: { durable: true, multiProcess: true } }),
  },
  {
    id: "one-namespace",
    breaks: "All stores share their tasks",
    kills: ["lifecycle/namespaces", "lists/foreign-cursor"],
    sharedFile: true,
  },
  {
    id: "forgetful",
    breaks: "Stored tasks are gone when the store is opened again",
    kills: ["durability/reopened", "crash/acknowledged-writes-survive", "crash/everything-survives"],
    backend: Forgetting,
  },
  {
    id: "secretly-durable",
    breaks: "A store that declares itself not durable keeps its tasks",
    kills: ["durability/gone", "lifecycle/capabilities"],
    capabilities: { durable: false },
  },
  {
    id: "keeps-the-process",
    breaks: "A timer keeps the process alive",
    kills: ["processes/ends-by-itself"],
    store(store) {
      const timer = new EventEmitter();
      return {
        async createTask(...args) {
          const handle = setInterval(() => timer.emit("tick"), 1000);
          // The timer keeps only the suite's child processes alive.
          if (!process.argv[1]?.endsWith("child.js")) handle.unref();
          return store.createTask(...args);
        },
      };
    },
  },
  {
    id: "write-behind",
    breaks: "A creation is acknowledged before it is written",
    kills: ["crash/acknowledged-writes-survive", "task-object/read-your-writes"],
    store: (store) => ({
      async createTask(options, ...rest) {
        const taskId = options.taskId ?? crypto.randomUUID();
        void pause(2000).then(() => store.createTask({ ...options, taskId }, ...rest).catch(() => undefined));
        const now = new Date().toISOString();
        return {
          taskId,
          status: "working",
          ttl: options.ttl ?? null,
          createdAt: now,
          lastUpdatedAt: now,
        } satisfies Task;
      },
    }),
  },
];
