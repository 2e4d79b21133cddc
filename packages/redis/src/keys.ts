/** The names of keys in the headers of commands. `:*` stands for a family of keys. */
export type KeyName =
  | "id"
  | "position"
  | "task"
  | "task:*"
  | "tasks"
  | "owner:*"
  | "counted"
  | "active"
  | "activeOf:*"
  | "watched"
  | "paused"
  | "claims:*"
  | "queued"
  | "queue:*"
  | "owners:*"
  | "turns"
  | "places:*"
  | "expiring"
  | "messages"
  | "messages:*"
  | "queues"
  | "events:*"
  | "changes";

/**
 * The keys of a store. A command counts, indexes and changes tasks in one step. So all keys begin
 * with the store's prefix in braces, which puts them in one slot of a cluster.
 */
export class Keys {
  readonly #root: string;
  /** The keys common to all tasks. (Concatenation took 8 % of a command's CPU.) */
  readonly #shared = new Map<KeyName, string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** The key of this name: the task's, the store's, or the common start of a family's keys. */
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
