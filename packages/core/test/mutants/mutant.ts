import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import {
  isTerminal,
  type SdkTaskStore,
  type TaskSnapshot,
  type TaskStore,
  type TaskStoreOptions,
  type WaitForTaskOptions,
} from "@mcp-task-store/core";
import type { EventBackend, StoredTask } from "@mcp-task-store/core/backend";
import type { HarnessCapabilities } from "@mcp-task-store/core/conformance";
import { SqliteBackend } from "../../examples/sqlite-backend.ts";
import { FileEvents } from "./file-events.ts";

/** A store with one fault, and the cases that must detect it. */
export interface Mutant {
  readonly id: string;
  /** The fault. */
  readonly breaks: string;
  /** Cases of the suite that must each fail. */
  readonly kills: readonly string[];
  /** A backend with a faulty method. */
  readonly backend?: typeof MutableBackend;
  /** A faulty part of the backend that keeps events. */
  readonly events?: typeof FileEvents;
  /** Faulty methods of the store, for rules that live in core. */
  store?(store: TaskStore, context: StoreContext): Methods;
  /** Options that the mutant drops or replaces. */
  options?(options: TaskStoreOptions): TaskStoreOptions;
  /** Capabilities that the mutant declares wrongly. */
  readonly capabilities?: Partial<HarnessCapabilities>;
  /** One file for every place. */
  readonly sharedFile?: boolean;
}

export interface StoreContext {
  readonly options: TaskStoreOptions;
  readonly file: string;
  /** The same tasks through a store with other options and without mutation. */
  twin(options: TaskStoreOptions): TaskStore;
}

/** `messages`, `operations` and `events` may also be replaced in part. */
export type Methods = Partial<
  Omit<TaskStore, "messages" | "operations" | "events" | "createTask" | "waitForTask"> &
    Pick<SdkTaskStore, "createTask">
> & {
  waitForTask?(taskId: string, options?: WaitForTaskOptions): Promise<TaskSnapshot>;
  messages?: Partial<TaskStore["messages"]>;
  operations?: Partial<TaskStore["operations"]>;
  events?: Partial<TaskStore["events"]>;
};

/** The example backend with events, and with direct access to its rows. */
export class MutableBackend extends SqliteBackend {
  readonly file: string;
  readonly now: () => number;
  readonly events: EventBackend;
  #raw: DatabaseSync | undefined;

  constructor(file: string, now: () => number, Events: typeof FileEvents = FileEvents) {
    super(file, now);
    this.file = file;
    this.now = now;
    this.events = new Events(() => this.raw, now);
  }

  get raw(): DatabaseSync {
    this.#raw ??= new DatabaseSync(this.file);
    this.#raw.exec("pragma busy_timeout = 5000");
    return this.#raw;
  }

  /** The task in the file, even if it expired. */
  peek(taskId: string): StoredTask | undefined {
    const row = this.raw.prepare("select record from tasks where task_id = ?").get(taskId);
    return row && (JSON.parse(row["record"] as string) as StoredTask);
  }

  /** Writes the task without any rule. */
  put(task: StoredTask): StoredTask {
    const { taskId, status, expiresAt, leaseExpiresAt } = task;
    const change = this.raw.prepare("update store set counter = counter + 1 returning counter").get();
    this.raw
      .prepare(
        "update tasks set record = ?, active = ?, expires_at = ?, claimable_at = ?, changed = ? where task_id = ?",
      )
      .run(
        JSON.stringify(task),
        isTerminal(status) ? 0 : 1,
        expiresAt,
        leaseExpiresAt,
        change?.["counter"] as number,
        taskId,
      );
    return task;
  }

  /** Changes the task after a write. */
  mend<T extends StoredTask>(task: T, change: (stored: StoredTask) => Partial<StoredTask>): T {
    const stored = this.peek(task.taskId);
    if (!stored) return task;
    const changed = change(stored);
    this.put({ ...stored, ...changed });
    return { ...task, ...changed };
  }

  override async close(): Promise<void> {
    this.#raw?.close();
    this.#raw = undefined;
    await super.close();
  }
}

/** Lets other calls run first, even those of another process on a busy processor. */
export const pause = (ms = 40): Promise<void> => sleep(ms);

export const never = new Promise<never>(() => undefined);

/** The store with some methods replaced. */
export function override<T extends object>(target: T, methods: object): T {
  return new Proxy(target, {
    get(_, name) {
      const replaced = Reflect.get(methods, name) as unknown;
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof replaced === "object" && replaced !== null && typeof value === "object" && value !== null)
        return Object.isFrozen(value) ? replaced : override(value, replaced);
      if (replaced !== undefined) return replaced;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Replaces every method that returns a promise. */
export function everyMethod(
  store: TaskStore,
  wrap: (call: () => Promise<unknown>, name: string, args: unknown[]) => Promise<unknown>,
): Methods {
  const names = ["createTask", "getTask", "storeTaskResult", "getTaskResult", "updateTaskStatus", "listTasks"];
  names.push("getRecord", "updateTask", "finishTask", "cancelTask", "requestInputs", "provideInputs", "awaitInput");
  names.push("waitForTask", "waitForResult", "subscribe", "acquireLease", "renewLease", "releaseLease", "claimTask");
  names.push("deleteExpired");
  const methods = store as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  return Object.fromEntries(
    names.map((name) => [name, (...args: unknown[]) => wrap(async () => methods[name]?.(...args), name, args)]),
  );
}
