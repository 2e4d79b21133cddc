import { statSync } from "node:fs";
import { TaskStoreError } from "@mcp-task-store/core";
import { type Caps, type InsertOutcome, mismatch, type NewTask } from "@mcp-task-store/core/backend";
import { type Connection, fileOf } from "./connection.ts";
import type { SqliteDatabase } from "./driver.ts";
import { toStoreError } from "./errors.ts";
import { hasCaps, insertTask } from "./insertion.ts";
import { SCHEMA_VERSION, versionOf } from "./migrate.ts";
import { type CapStatements, makeCapsIndex, prepareCaps } from "./on-demand.ts";
import { connectionTo } from "./open.ts";
import type { SqliteSettings } from "./options.ts";
import { Statements } from "./statements.ts";

const SAVEPOINT = "mcp_task_store";

/** What is prepared for a connection of the application. */
interface Prepared {
  readonly connection: Connection;
  readonly statements: Statements;
  counts?: CapStatements;
}

/** Creates tasks in transactions that the application has open on connections of its own. */
export class InTransaction {
  readonly #settings: SqliteSettings;
  // A closed database of the application goes, and its statements with it.
  readonly #prepared = new WeakMap<SqliteDatabase, Prepared>();
  readonly #connections = new Set<WeakRef<Connection>>();

  constructor(settings: SqliteSettings) {
    this.#settings = settings;
  }

  /**
   * Inserts the task and returns at once. What fails leaves the transaction as it was.
   * @param own The store's own connection, if it is open.
   * @throws TaskStoreError `INVALID_ARGUMENT` without an open transaction, or if the database is
   * another one than the store's; `SCHEMA_MISMATCH` if it lacks the store's tables
   */
  insert(own: Connection | undefined, database: SqliteDatabase, task: NewTask, caps: Caps): InsertOutcome {
    const connection = this.#prepared.get(database)?.connection ?? connectionTo(database);
    try {
      if (!connection.inTransaction)
        throw refusal("The database has no open transaction: begin one first, or call createTask of the store itself");
      const prepared = this.#prepared.get(database) ?? this.#prepare(own, database, connection);
      connection.exec(`SAVEPOINT ${SAVEPOINT}`);
      try {
        const counts = hasCaps(caps) ? this.#counts(prepared) : undefined;
        return insertTask(prepared.statements, counts, task, caps, this.#settings.clock.now());
      } catch (error) {
        // After some failures SQLite has already rolled back the whole transaction.
        if (connection.inTransaction) connection.exec(`ROLLBACK TO ${SAVEPOINT}`);
        throw error;
      } finally {
        if (connection.inTransaction) connection.exec(`RELEASE ${SAVEPOINT}`);
      }
    } catch (error) {
      throw toStoreError(error);
    }
  }

  /** Call this when the store closes. */
  release(): void {
    for (const connection of this.#connections) connection.deref()?.release();
    this.#connections.clear();
  }

  #prepare(own: Connection | undefined, database: SqliteDatabase, connection: Connection): Prepared {
    if (database !== this.#settings.database) this.#checkPlace(own, connection);
    const { tablePrefix } = this.#settings;
    if (versionOf(connection, tablePrefix) !== SCHEMA_VERSION)
      throw mismatch("The database lacks the store's tables, or they are of an older version: run migrate() first");
    const prepared = { connection, statements: new Statements(connection, tablePrefix) };
    this.#prepared.set(database, prepared);
    this.#connections.add(new WeakRef(connection));
    return prepared;
  }

  /** The connections of both have to be to the same file, and by the same driver. */
  #checkPlace(own: Connection | undefined, connection: Connection): void {
    const { database, path = "" } = this.#settings;
    if (own && own.driver !== connection.driver)
      throw refusal(
        `The store's driver is ${own.driver}, and the database is one of ${connection.driver}: they are two copies of SQLite, which do not see each other's locks`,
      );
    const [file, ownFile] = [fileOf(connection), database ? fileOf(connectionTo(database)) : path];
    if (file === "" || !isSameFile(file, ownFile))
      throw refusal("The database is another one than the store's: give a connection to the store's file");
  }

  /** A rollback takes the index with it, so it is made anew if it is missing. */
  #counts(prepared: Prepared): CapStatements {
    makeCapsIndex(prepared.connection, this.#settings.tablePrefix);
    prepared.counts ??= prepareCaps(prepared.connection, this.#settings.tablePrefix);
    return prepared.counts;
  }
}

function isSameFile(one: string, other: string): boolean {
  // On Windows, a file's number needs all 64 bits.
  const [first, second] = [one, other].map((path) => statSync(path, { bigint: true, throwIfNoEntry: false }));
  return first !== undefined && second !== undefined && first.dev === second.dev && first.ino === second.ino;
}

function refusal(message: string): TaskStoreError {
  return new TaskStoreError("INVALID_ARGUMENT", message);
}
