import { RecentMap } from "../backend/recent-map.ts";
import { isInScope } from "../backend/rules.ts";
import type { StoredTask } from "../backend/stored-task.ts";
import type { OwnerScope, TaskBackend } from "../backend/task-backend.ts";

/** Tasks whose owners are remembered. */
const REMEMBERED = 10_000;

/**
 * The owners of tasks, for stages that need the owner of what they write. The id of a task that has
 * expired may be given to a task of another owner, so a write by a remembered owner has to be
 * guarded by that owner.
 */
export class Owners {
  readonly #known = new RecentMap<string, string | null>(REMEMBERED);

  /** Remembers the owners of tasks that were read or written. */
  see(...tasks: readonly (Pick<StoredTask, "taskId" | "owner"> | undefined)[]): void {
    for (const task of tasks) if (task) this.#known.set(task.taskId, task.owner);
  }

  /** Returns whether the owner was known. */
  forget(taskId: string): boolean {
    return this.#known.delete(taskId);
  }

  /** The owner of the task, or `undefined` if there is no such task in the scope. */
  async of(backend: TaskBackend, taskId: string, scope: OwnerScope): Promise<string | null | undefined> {
    const known = this.#known.get(taskId);
    if (known !== undefined && isInScope(scope, known)) return known;
    const task = await backend.read(taskId, scope, []);
    this.see(task);
    return task?.owner;
  }
}
