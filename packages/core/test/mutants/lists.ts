import { randomUUID } from "node:crypto";
import type { Task } from "@mcp-task-store/core";
import type { ListQuery } from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant } from "./mutant.ts";

const ALL = { after: null, limit: 1e9 };

class ByUpdate extends MutableBackend {
  override async list({ scope, after, limit }: ListQuery) {
    const tasks = await super.list({ scope, ...ALL });
    tasks.sort((a, b) => b.updatedAt - a.updatedAt || b.revision - a.revision || b.position - a.position);
    const from = tasks.findIndex((task) => task.position === after) + 1;
    return tasks.slice(from, from + limit);
  }
}

/** Orders by time, with times as cursors. */
class BySecond extends MutableBackend {
  override async list({ scope, after, limit }: ListQuery) {
    const tasks = (await super.list({ scope, ...ALL })).map((task) => ({
      ...task,
      position: Math.floor(task.createdAt / 1e5),
    }));
    return tasks.filter(({ position }) => after === null || position > after).slice(0, limit);
  }
}

/** Delays every second call past the next one. */
class LaterInsert extends MutableBackend {
  #calls = 0;

  override async insert(...call: Parameters<MutableBackend["insert"]>) {
    this.#calls += 1;
    if (this.#calls % 2) await new Promise((resolve) => setImmediate(resolve));
    return super.insert(...call);
  }
}

class FromTask extends MutableBackend {
  override async list(query: ListQuery) {
    const all = await super.list({ scope: query.scope, ...ALL });
    return query.after === null || all.some((task) => task.position === query.after) ? super.list(query) : [];
  }
}

class OwnSeal extends MutableBackend {
  override async open() {
    await super.open();
    return { storeId: randomUUID() };
  }
}

class OneSeal extends MutableBackend {
  override async open() {
    await super.open();
    return { storeId: "the same for all" };
  }
}

export const listMutants: Mutant[] = [
  {
    id: "insert-by-turns",
    breaks: "Every second one of concurrent creations is delayed",
    kills: ["lists/order-of-calls"],
    backend: LaterInsert,
  },
  {
    id: "null-cursor",
    breaks: "The last page has a cursor of null",
    kills: ["lists/empty", "lists/page-size"],
    store: (store) => ({
      listTasks: async (...args) => ({ nextCursor: null, ...(await store.listTasks(...args)) }) as { tasks: Task[] },
    }),
  },
  {
    id: "newest-first",
    breaks: "Lists are in order of change, newest first",
    kills: ["lists/creation-order", "lists/walk-while-changing"],
    backend: ByUpdate,
  },
  {
    id: "pages-of-20",
    breaks: "The default page size is 20",
    kills: ["lists/page-size"],
    options: (options) => ({ pageSize: 20, ...options }),
  },
  {
    id: "offset-cursor",
    breaks: "Cursors are offsets, and an unknown one begins at page one",
    kills: [
      "lists/walk-while-changing",
      "lists/cursor-outlives-its-task",
      "lists/garbage-cursor",
      "lists/tampered-cursor",
      "lists/foreign-cursor",
    ],
    store(_, { options, twin }) {
      const whole = twin({ ...options, pageSize: 1000 });
      const { pageSize = 10 } = options;
      return {
        async listTasks(cursor = "0", sessionId) {
          const { tasks } = await whole.listTasks(undefined, sessionId);
          const from = Number.parseInt(cursor, 10) || 0;
          const next = from + pageSize;
          return { tasks: tasks.slice(from, next), ...(next < tasks.length ? { nextCursor: `${next}` } : {}) };
        },
      };
    },
  },
  {
    id: "lenient-cursor",
    breaks: "A cursor that does not open begins at page one",
    kills: ["lists/garbage-cursor", "lists/tampered-cursor", "lists/foreign-cursor", "errors/words-of-the-sdk"],
    store: (store) => ({
      listTasks: (cursor, sessionId) =>
        store.listTasks(cursor, sessionId).catch((error) => {
          if (error.code === "INVALID_CURSOR") return store.listTasks(undefined, sessionId);
          throw error;
        }),
    }),
  },
  {
    id: "one-seal",
    breaks: "A cursor opens in every store",
    kills: ["lists/foreign-cursor"],
    backend: OneSeal,
  },
  {
    id: "thin-lists",
    breaks: "Lists leave out the status message",
    kills: ["lists/tasks-are-whole"],
    store: (store) => ({
      async listTasks(...args) {
        const { tasks, ...rest } = await store.listTasks(...args);
        return { tasks: tasks.map(({ statusMessage: _, ...task }) => task), ...rest };
      },
    }),
  },
  {
    id: "cursor-of-a-task",
    breaks: "A cursor fails once its task is gone",
    kills: ["lists/cursor-outlives-its-task", "lists/walk-while-changing"],
    backend: FromTask,
  },
  {
    id: "cursor-of-a-handle",
    breaks: "A cursor works only where it was made",
    kills: ["lists/cursor-of-another-handle", "durability/reopened"],
    backend: OwnSeal,
  },
  {
    id: "cursor-of-a-moment",
    breaks: "A cursor is a time, and skips tasks created at the same time",
    kills: ["lists/same-moment", "lists/creation-order"],
    backend: BySecond,
  },
];
