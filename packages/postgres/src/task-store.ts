import type { TaskStoreOptions, TransactionalWrites } from "@mcp-task-store/core";
import { DurableTaskStore, splitOptions } from "@mcp-task-store/core/backend";
import { PostgresBackend } from "./backend.ts";
import type { TransactionClient } from "./driver.ts";
import { POSTGRES_OPTIONS, type PostgresOptions } from "./options.ts";

export interface PostgresTaskStoreOptions extends TaskStoreOptions, PostgresOptions {}

/**
 * A store of MCP tasks in a PostgreSQL database, which any number of processes may share. The first
 * call connects. If that fails, the next call tries again.
 * @example
 * const store = new PostgresTaskStore({ connectionString: process.env.DATABASE_URL });
 */
export class PostgresTaskStore extends DurableTaskStore {
  readonly #backend: PostgresBackend;

  /** @throws TaskStoreError `INVALID_ARGUMENT` for an unknown option or a wrong value */
  constructor(options: PostgresTaskStoreOptions) {
    const { own, store } = splitOptions("PostgresTaskStore", options, POSTGRES_OPTIONS);
    const backend = new PostgresBackend(own);
    super(backend, store);
    this.#backend = backend;
  }

  /**
   * Creates tasks in a transaction of the application: a task exists exactly if the transaction
   * commits. The client has the transaction open, in the store's database.
   *
   * Each `createTask` is checked against all limits. Limits on active tasks need a transaction that
   * is READ COMMITTED, and creations under them wait until it ends.
   * @throws TaskStoreError `INVALID_ARGUMENT` for anything that runs no queries. `createTask`
   * rejects with it if no transaction is open, or the client is of another database.
   * @example
   * await client.query("BEGIN");
   * await client.query("INSERT INTO orders (id) VALUES ($1)", [id]);
   * await store.in(client).createTask({ name: "ship", arguments: { id } });
   * await client.query("COMMIT");
   */
  in(client: TransactionClient): TransactionalWrites {
    return this.creatingBy(this.#backend.insertIn(client));
  }
}
