import { randomBytes } from "node:crypto";
import type { CreateTaskOptions, Task, TaskStore, TaskStoreError } from "@mcp-task-store/core";
import type { NewTask } from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant } from "./mutant.ts";

/** Changes the result of every call that returns one task. */
function onRead(change: (task: Task) => Task): NonNullable<Mutant["store"]> {
  return (store) => ({
    async getTask(...args) {
      const task = await store.getTask(...args);
      return task && change(task);
    },
  });
}

function onCreate(change: (options: CreateTaskOptions) => CreateTaskOptions): NonNullable<Mutant["store"]> {
  return (store) => ({ createTask: (options, ...rest) => store.createTask(change(options), ...rest) });
}

class Overwriting extends MutableBackend {
  override async insert(task: NewTask, caps: Parameters<MutableBackend["insert"]>[1]) {
    this.raw.prepare("delete from tasks where task_id = ?").run(task.taskId);
    return super.insert(task, caps);
  }
}

class Unordered extends MutableBackend {
  override async insert(task: NewTask, caps: Parameters<MutableBackend["insert"]>[1]) {
    return super.insert({ ...task, owner: task.owner ?? "nobody" }, caps);
  }
}

export const taskObjectMutants: Mutant[] = [
  {
    id: "extra-field",
    breaks: "The wire form has one more field",
    kills: ["task-object/initial", "task-object/wire-fields-only"],
    store: onRead((task) => ({ ...task, owner: "ada" }) as Task),
  },
  {
    id: "null-message",
    breaks: "An absent status message is null",
    kills: ["task-object/initial", "task-object/wire-fields-only"],
    store: onRead((task) => ({ statusMessage: null, ...task }) as unknown as Task),
  },
  {
    id: "local-time",
    breaks: "Timestamps have an offset",
    kills: ["task-object/timestamps-are-utc"],
    store: onRead((task) => ({ ...task, createdAt: task.createdAt.replace("Z", "+00:00") })),
  },
  {
    id: "updated-by-reading",
    breaks: "`lastUpdatedAt` is the time of the read",
    kills: ["task-object/reading-changes-nothing"],
    store: onRead((task) => ({
      ...task,
      lastUpdatedAt: new Date(Date.parse(task.lastUpdatedAt) + Math.random() * 1e6).toISOString(),
    })),
  },
  {
    id: "never-updated",
    breaks: "`lastUpdatedAt` stays that of the creation",
    kills: ["task-object/changes-move-last-updated"],
    store: onRead((task) => ({ ...task, lastUpdatedAt: task.createdAt })),
  },
  {
    id: "shared-results",
    breaks: "Everyone gets the same result object",
    kills: ["task-object/returned-objects-are-the-callers"],
    store(store) {
      const results = new Map<string, ReturnType<typeof store.getTaskResult>>();
      return {
        getTaskResult(taskId, sessionId) {
          const result = results.get(taskId) ?? store.getTaskResult(taskId, sessionId);
          results.set(taskId, result);
          return result;
        },
      };
    },
  },
  {
    id: "kept-arguments",
    breaks: "The caller's own context object is kept",
    kills: ["task-object/arguments-stay-the-callers"],
    store(store) {
      const contexts = new Map<string, CreateTaskOptions["context"]>();
      return {
        async createTask(options, ...rest) {
          const task = await store.createTask(options, ...rest);
          contexts.set(task.taskId, options.context);
          return task;
        },
        async getRecord(taskId, options) {
          const record = await store.getRecord(taskId, options);
          return record && { ...record, context: contexts.get(taskId) };
        },
      };
    },
  },
  {
    id: "nameless-calls",
    breaks: "A task that is created for a tool by its name loses the arguments",
    kills: ["task-object/create-by-name"],
    store: (store) => ({
      createTask: (options, ...rest) =>
        store.createTask(
          Object.hasOwn(options, "arguments") ? Object.assign({}, options, { arguments: {} }) : options,
          ...rest,
        ),
    }),
  },
  {
    id: "deaf-to-fields",
    breaks: "A record has all its fields, despite `fields`",
    kills: ["task-object/record-fields"],
    store: (store) => ({
      getRecord: (taskId, options) => store.getRecord(taskId, { owner: options?.owner }),
    }),
  },
  {
    id: "counted-ids",
    breaks: "Ids have 64 random bits",
    kills: ["task-object/ids-are-random"],
    store: onCreate((options) => ({ taskId: `task-${randomBytes(8).toString("hex").padStart(32, "0")}`, ...options })),
  },
  {
    id: "lower-case-ids",
    breaks: "Ids are stored in lower case",
    kills: ["task-object/own-id-is-kept"],
    store: onCreate((options) => (options.taskId ? { ...options, taskId: options.taskId.toLowerCase() } : options)),
  },
  {
    id: "repaired-ids",
    breaks: "An id that cannot be stored is made into one that can",
    kills: ["task-object/unsuitable-ids-are-refused"],
    store: onCreate((options) =>
      options.taskId ? { ...options, taskId: options.taskId.replace("\0", "").toWellFormed().slice(0, 512) } : options,
    ),
  },
  {
    id: "trimmed-ids",
    breaks: "A look-up ignores blanks around an id",
    kills: ["task-object/any-string-may-be-asked-for"],
    store: (store) => ({ getTask: (taskId, sessionId) => store.getTask(taskId.trim(), sessionId) }),
  },
  {
    id: "throwing-look-up",
    breaks: "A look-up throws for a malformed id",
    kills: ["task-object/any-string-may-be-asked-for"],
    store: (store) => ({
      async getTask(taskId, sessionId) {
        if (!/^[\w-]+$/.test(taskId)) throw new Error("Malformed id");
        return store.getTask(taskId, sessionId);
      },
    }),
  },
  {
    id: "overwriting",
    breaks: "A duplicate id overwrites the task",
    kills: [
      "task-object/duplicate-is-refused",
      "task-object/duplicate-race",
      "task-object/dedupe-key",
      "task-object/dedupe-race",
    ],
    backend: Overwriting,
  },
  {
    id: "key-for-any-request",
    breaks: "A key returns its task for another request as well",
    kills: ["task-object/dedupe-conflict"],
    store: (store) => ({
      async createTask(...given: Parameters<TaskStore["createTask"]>) {
        const created = await store.createTask(...given).catch((error: TaskStoreError) => error);
        if (!(created instanceof Error)) return created;
        if (created.code !== "DEDUPE_CONFLICT") throw created;
        return { ...((await store.getTask(created.taskId as string)) as Task), created: false };
      },
    }),
  },
  {
    id: "keys-of-everybody",
    breaks: "A key makes one task for all owners",
    kills: ["task-object/dedupe-key"],
    store: onCreate((options) =>
      options.dedupeKey === undefined ? options : Object.assign({}, options, { owner: undefined }),
    ),
  },
  {
    id: "owner-for-all",
    breaks: "Tasks without an owner get one",
    kills: ["task-object/record-holds-everything", "isolation/unowned-task", "isolation/strict"],
    backend: Unordered,
  },
  {
    id: "stale-reads",
    breaks: "Reads come from a cache of the process",
    kills: ["task-object/read-your-writes", "processes/read-your-writes"],
    store(store) {
      const cache = new Map<string, Task>();
      return {
        async getTask(taskId, sessionId) {
          const task = cache.get(taskId) ?? (await store.getTask(taskId, sessionId));
          if (task) cache.set(taskId, task);
          return task;
        },
      };
    },
  },
];
