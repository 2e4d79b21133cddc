import type { Task, TaskStoreOptions, TransactionalWrites } from "@mcp-task-store/core";
import { DurableTaskStore, splitOptions } from "@mcp-task-store/core/backend";
import { SqliteBackend } from "./backend.ts";
import type { SqliteDatabase } from "./driver.ts";
import { SQLITE_OPTIONS, type SqliteOptions } from "./options.ts";

export interface SqliteTaskStoreOptions extends TaskStoreOptions, SqliteOptions {}

/**
 * A store of MCP tasks in an SQLite file, which several processes on one machine may share. The
 * first call opens the file. If that fails, the next call tries again.
 * @example
 * const store = new SqliteTaskStore({ path: "tasks.db" });
 */
export class SqliteTaskStore extends DurableTaskStore {
  readonly #backend: SqliteBackend;

  /** @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or a wrong value */
  constructor(options: SqliteTaskStoreOptions) {
    const { own, store } = splitOptions("SqliteTaskStore", options, SQLITE_OPTIONS);
    const backend = new SqliteBackend(own);
    super(backend, store);
    this.#backend = backend;
  }

  /**
   * Writes in the transaction that your application has open on this database: the store's own
   * `database`, or another connection to the store's file by the same driver. The task exists
   * exactly if the transaction commits, and waits and workers hear of it then.
   *
   * `createTask` is synchronous, as the driver is. It returns the task, and where the store's own
   * `createTask` rejects, it throws, so that the transaction rolls back. It also throws
   * `INVALID_ARGUMENT` without an open transaction or for another database, and `SCHEMA_MISMATCH`
   * if the tables are missing.
   * @example
   * const order = database.transaction(() => {
   *   const { taskId } = store.in(database).createTask({ name: "ship", arguments: { order: 7 } });
   *   database.prepare("INSERT INTO orders (id, task_id) VALUES (?, ?)").run(7, taskId);
   * });
   * order.immediate();
   */
  in(database: SqliteDatabase): TransactionalWrites<Task> {
    return this.creatingNow((task, caps) => this.#backend.insertIn(database, task, caps));
  }
}
