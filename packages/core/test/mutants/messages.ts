import type { QueuedMessage } from "@mcp-task-store/core";
import type { OwnerScope } from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant, pause } from "./mutant.ts";

class Lifo extends MutableBackend {
  override async shift(taskId: string, limit: number | null) {
    const all = (await super.shift(taskId, null)).toReversed();
    const taken = limit === null ? all : all.slice(0, limit);
    for (const rest of all.slice(taken.length).toReversed()) await super.push(taskId, rest, null, 1e9);
    return taken;
  }
}

class Uncapped extends MutableBackend {
  override async push(taskId: string, message: string, _: number | null, ttl: number) {
    return super.push(taskId, message, null, ttl);
  }
}

/** Expired messages behind one that remains take places. */
class FullOfExpired extends MutableBackend {
  override async push(taskId: string, message: string, maxSize: number | null, ttl: number) {
    const row = this.raw
      .prepare(
        `select count(*) as size from messages where task_id = ?
          and seq >= (select min(seq) from messages where task_id = ? and expires_at > ?)`,
      )
      .get(taskId, taskId, this.now());
    const size = row?.["size"] as number;
    if (maxSize !== null && size >= maxSize) return { pushed: false, size } as const;
    return super.push(taskId, message, null, ttl);
  }
}

class RacyPush extends MutableBackend {
  override async push(taskId: string, message: string, maxSize: number | null, ttl: number) {
    const row = this.raw.prepare("select count(*) as size from messages where task_id = ?").get(taskId);
    const size = row?.["size"] as number;
    if (maxSize !== null && size >= maxSize) return { pushed: false, size } as const;
    await pause();
    return super.push(taskId, message, null, ttl);
  }
}

class Peeking extends MutableBackend {
  override async shift(taskId: string, limit: number | null) {
    const rows = this.raw
      .prepare("select seq, body from messages where task_id = ? and expires_at > ? order by seq limit ?")
      .all(taskId, this.now(), limit ?? -1);
    await pause();
    for (const { seq } of rows) this.raw.prepare("delete from messages where seq = ?").run(seq as number);
    return rows.map(({ body }) => body as string);
  }
}

class Undying extends MutableBackend {
  override async push(taskId: string, message: string, maxSize: number | null) {
    return super.push(taskId, message, maxSize, 1e12);
  }
}

class Cascading extends MutableBackend {
  override async deleteExpired(limit: number) {
    this.raw
      .prepare("delete from messages where task_id in (select task_id from tasks where expires_at <= ?)")
      .run(this.now());
    return super.deleteExpired(limit);
  }
}

const ANYONE: OwnerScope = null;

class ForeignKey extends MutableBackend {
  override async push(taskId: string, message: string, maxSize: number | null, ttl: number) {
    if (!(await super.read(taskId, ANYONE, []))) throw new Error("No such task");
    return super.push(taskId, message, maxSize, ttl);
  }
}

/** An answer in the dress of a notification, by which the store's check passes it. */
function asNotification(message: QueuedMessage): QueuedMessage {
  return { type: "notification", message: { jsonrpc: "2.0", method: DRESSED, params: { message } }, timestamp: 1 };
}

function asBefore(queued: QueuedMessage): QueuedMessage {
  const { method, params } = queued.message as { method?: string; params?: { message: QueuedMessage } };
  return method === DRESSED && params ? params.message : queued;
}

const DRESSED = "dressed";

export const messageMutants: Mutant[] = [
  {
    id: "lifo",
    breaks: "The last message comes out first",
    kills: ["messages/fifo", "messages/calls-keep-their-order", "messages/all-kinds", "messages/max-size"],
    backend: Lifo,
  },
  {
    id: "queue-per-session",
    breaks: "Every session has queues of its own",
    kills: ["messages/keyed-by-task-id"],
    store: (store) => ({
      messages: {
        enqueue: (taskId, message, session, size) =>
          store.messages.enqueue(`${session} ${taskId}`, message, session, size),
        dequeue: (taskId, session) => store.messages.dequeue(`${session} ${taskId}`),
        dequeueAll: (taskId, session) => store.messages.dequeueAll(`${session} ${taskId}`),
      },
    }),
  },
  {
    id: "answers-to-others",
    breaks: "An answer is queued for any task",
    kills: ["messages/answers-to-others"],
    store: (store) => ({
      messages: {
        enqueue: (taskId, message, session, size) => {
          const isAnswer = message.type === "response" || message.type === "error";
          return store.messages.enqueue(taskId, isAnswer ? asNotification(message) : message, session, size);
        },
        dequeueAll: async (taskId, session) => (await store.messages.dequeueAll(taskId, session)).map(asBefore),
      },
    }),
  },
  {
    id: "foreign-key",
    breaks: "A message needs a task of its id",
    kills: ["messages/no-task-needed"],
    backend: ForeignKey,
  },
  {
    id: "requests-only",
    breaks: "A message that is not a request is lost",
    kills: ["messages/all-kinds"],
    store: (store) => ({
      messages: {
        enqueue: async (taskId, message, ...rest) => {
          if (message.type === "request") await store.messages.enqueue(taskId, message, ...rest);
        },
      },
    }),
  },
  {
    id: "pool-order",
    breaks: "Un-awaited calls take effect in any order",
    kills: ["messages/calls-keep-their-order"],
    store: (store) => ({
      messages: {
        enqueue: async (...args) => {
          await pause(Math.random() * 5);
          return store.messages.enqueue(...args);
        },
      },
    }),
  },
  {
    id: "uncapped-queues",
    breaks: "`maxSize` is a cap that nothing reads",
    kills: [
      "messages/max-size",
      "messages/limit",
      "races/enqueue-at-max-size",
      "processes/enqueue-at-max-size",
      "errors/words-of-the-sdk",
    ],
    backend: Uncapped,
  },
  {
    id: "racy-enqueue",
    breaks: "`enqueue` counts first and adds later",
    kills: ["races/enqueue-at-max-size", "processes/enqueue-at-max-size"],
    backend: RacyPush,
  },
  {
    id: "limit-of-messages-unread",
    breaks: "`limits.messagesPerTask` is an option that nothing reads",
    kills: ["messages/limit"],
    options: ({ limits: { messagesPerTask: _, ...limits } = {}, ...options }) => ({ ...options, limits }),
  },
  {
    id: "peeking",
    breaks: "`dequeue` reads first and deletes later",
    kills: ["races/one-receiver", "processes/one-receiver"],
    backend: Peeking,
  },
  {
    id: "undying-messages",
    breaks: "Messages never expire",
    kills: ["messages/expire-by-themselves"],
    backend: Undying,
  },
  {
    id: "cascading",
    breaks: "Messages are deleted with the task of their id",
    kills: ["messages/outlive-the-task"],
    backend: Cascading,
  },
  {
    id: "rejecting-dequeue-all",
    breaks: "`dequeueAll` rejects",
    kills: ["messages/dequeue-all-never-rejects", "failure/dequeue-all"],
    store: (store) => ({
      messages: {
        dequeueAll: async (taskId) => {
          const all: QueuedMessage[] = [];
          for (let next = await store.messages.dequeue(taskId); next; next = await store.messages.dequeue(taskId))
            all.push(next);
          return all;
        },
      },
    }),
  },
  {
    id: "lenient-enqueue",
    breaks: "An invalid message is dropped without an error",
    kills: ["messages/what-is-no-message"],
    store: (store) => ({
      messages: {
        enqueue: (...args) =>
          store.messages.enqueue(...args).catch((error) => {
            if (error.code !== "INVALID_ARGUMENT") throw error;
          }),
      },
    }),
  },
  {
    id: "full-of-expired",
    breaks: "An expired message behind one that remains counts towards a cap",
    kills: ["messages/expire-by-themselves"],
    backend: FullOfExpired,
  },
];
