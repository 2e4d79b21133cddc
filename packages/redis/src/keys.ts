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

  constructor(root: string) {
    this.#root = root;
  }

  /** The key of a command's KEYS: of the task, where it is one task's; the name that a family's keys begin with. */
  key(name: KeyName, taskId: string): string {
    switch (name) {
      case "task":
        return this.task(taskId);
      case "messages":
        return `${this.#root}messages:${taskId}`;
      case "activeOf:*":
        return `${this.#root}active-of`;
      default:
        return this.#root + (name.endsWith(":*") ? name.slice(0, -2) : name);
    }
  }

  task(taskId: string): string {
    return `${this.#root}task:${taskId}`;
  }
}
