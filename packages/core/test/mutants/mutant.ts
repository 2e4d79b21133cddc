import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { isTerminal, type StoredTask, type TaskStore, type TaskStoreOptions } from "@mcp-task-store/core";
import type { HarnessCapabilities } from "@mcp-task-store/core/conformance";
import { SqliteBackend } from "../../examples/sqlite-backend.ts";

/** A store with one thing wrong, and the cases that have to see it. */
export interface Mutant {
  readonly id: string;
  /** What is wrong. */
  readonly breaks: string;
  /** Cases of the suite, each of which has to fail. */
  readonly kills: readonly string[];
  /** A backend with a method that is wrong. */
  readonly backend?: typeof MutableBackend;
  /** Methods of the store that are wrong, for rules that are in core. */
  store?(store: TaskStore, context: StoreContext): Methods;
  /** Options that are not heeded. */
  options?(options: TaskStoreOptions): TaskStoreOptions;
  /** Capabilities that are declared without being there, or the other way round. */
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

/** `messages` may be replaced in part as well. */
export type Methods = Partial<Omit<TaskStore, "messages">> & { messages?: Partial<TaskStore["messages"]> };

/** The example backend, and a way past it. */
export class MutableBackend extends SqliteBackend {
  readonly file: string;
  readonly now: () => number;
  #raw: DatabaseSync | undefined;

  constructor(file: string, now: () => number) {
    super(file, now);
    this.file = file;
    this.now = now;
  }

  get raw(): DatabaseSync {
    this.#raw ??= new DatabaseSync(this.file);
    this.#raw.exec("pragma busy_timeout = 5000");
    return this.#raw;
  }

  /** The task as it is in the file, expired or not. */
  peek(taskId: string): StoredTask | undefined {
    const row = this.raw.prepare("select record from tasks where task_id = ?").get(taskId);
    return row && (JSON.parse(row["record"] as string) as StoredTask);
  }

  /** Writes the task without asking any rule. */
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

  /** Changes what a write left. */
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

/** Lets others come first, those of another process too where many share a processor. */
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
