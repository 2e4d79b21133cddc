/** The names that commands have for keys; `:*` stands for a whole family of keys. */
export type KeyName =
  | "id"
  | "position"
  | "task"
  | "task:*"
  | "tasks"
  | "owner:*"
  | "active"
  | "activeOf:*"
  | "claims:*"
  | "expiring"
  | "messages"
  | "messages:*"
  | "queues"
  | "changes";

/**
 * The keys of a store. All have the store's prefix in braces, so that a cluster keeps them in one slot: a command has to count,
 * index and change tasks in one step.
 */
export class Keys {
  readonly #root: string;
  /** Those that are the same for all tasks, put together once: to do so for each command was a twelfth of its work here. */
  readonly #shared = new Map<KeyName, string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** The key of a command's KEYS: of the task, where it is one task's; the name that a family's keys begin with. */
  key(name: KeyName, taskId: string): string {
    if (name === "task") return this.task(taskId);
    if (name === "messages") return `${this.#root}messages:${taskId}`;
    let key = this.#shared.get(name);
    if (key === undefined) {
      const last = name === "activeOf:*" ? "active-of" : name.replace(/:\*$/, "");
      key = this.#root + last;
      this.#shared.set(name, key);
    }
    return key;
  }

  task(taskId: string): string {
    return `${this.#root}task:${taskId}`;
  }
}
