import { randomUUID } from "node:crypto";
import { TaskStoreError } from "@mcp-task-store/core";
import type { Caps } from "@mcp-task-store/core/backend";
import type { Connections, Runner } from "./connection.ts";
import type { TransactionClient } from "./driver.ts";
import { sqlErrorOf, toStoreError } from "./errors.ts";
import { namesOf } from "./names.ts";
import { read, type Statement } from "./statement.ts";

/** Runs statements on a client of the application, in the transaction that is open there. */
export class InTransaction implements Runner {
  readonly #client: TransactionClient;
  readonly #connections: Connections;

  /** @throws TaskStoreError `INVALID_ARGUMENT` for anything that runs no queries */
  constructor(client: TransactionClient, connections: Connections) {
    if (typeof client?.query !== "function")
      throw invalid(
        "store.in() needs a client with query(text, values): a client of pg, or an adapter for the transaction of another library",
      );
    this.#client = client;
    this.#connections = connections;
  }

  async run<Parameters extends readonly unknown[], Row>(
    { text }: Statement<Parameters, Row>,
    ...parameters: Parameters
  ): Promise<Row[]> {
    // Libraries and applications have their own parsers for columns. All of them leave a text as it
    // is.
    const json = `WITH result AS (${text}) SELECT to_json(result)::text AS row FROM result`;
    const values = parameters as readonly unknown[] as (string | number | null)[];
    const result = await this.#connections
      .answered(async () => this.#client.query(json, values))
      .catch((error: unknown) => {
        throw toStoreError(sqlErrorOf(error));
      });
    if (!Array.isArray(result?.rows))
      throw invalid("The client of store.in() is none of pg: its query() has to resolve to an object with rows");
    return (result.rows as { row: string }[]).map(({ row }) => JSON.parse(row));
  }

  /**
   * Checks that the client has a transaction open in the store's database. It makes no error in the
   * database, which would end the transaction.
   * @throws TaskStoreError `INVALID_ARGUMENT`
   */
  async check(schemaName: string, storeId: string, caps: Caps): Promise<void> {
    const { tasks, store } = namesOf(schemaName);
    const token = randomUUID();
    const [found] = await this.run(SETTING, token, tasks);
    if (!found?.tables) throw otherDatabase();
    const home = read<[], { token: string | null; storeId: string }>(
      "home",
      `SELECT current_setting('mcp_task_store.transaction', true) AS token, store_id AS "storeId"
        FROM ${store} WHERE id = 1`,
    );
    const [row] = await this.run(home);
    // The setting ends with its transaction, which is its statement if there is no other.
    if (row && row.token !== token)
      throw invalid(
        "The client of store.in() has no open transaction: send BEGIN first, and pass the client or transaction itself, not its pool",
      );
    if (row?.storeId !== storeId) throw otherDatabase();
    const capped = caps.activeTasks !== null || caps.activeTasksPerOwner !== null;
    // Under an older snapshot, a count would miss tasks that were made after it.
    if (capped && !found.isolation.startsWith("read "))
      throw invalid("limits on active tasks need a transaction that is READ COMMITTED");
  }
}

const SETTING: Statement<[token: string, table: string], { tables: boolean; isolation: string }> = read(
  "setting",
  `SELECT set_config('mcp_task_store.transaction', $1, true) AS token, to_regclass($2) IS NOT NULL AS tables,
    current_setting('transaction_isolation') AS isolation`,
);

function otherDatabase(): TaskStoreError {
  return invalid("The client of store.in() is connected to another database than the store, or has other tables there");
}

function invalid(message: string): TaskStoreError {
  return new TaskStoreError("INVALID_ARGUMENT", message);
}
