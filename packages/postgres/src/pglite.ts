import { TaskStoreError } from "@mcp-task-store/core";
import type { PgClient, PgPool, PgQuery } from "./driver.ts";

interface Queries {
  query(text: string, values?: unknown[], options?: { parsers?: Parsers }): Promise<{ rows: unknown[] }>;
  exec(text: string): Promise<unknown>;
}

type Parsers = Record<number, (value: string) => unknown>;

/** The part of a PGlite database that the store uses. */
export interface PGliteDatabase extends Queries {
  readonly dataDir?: string | undefined;
  transaction<T>(body: (transaction: Queries & { rollback(): Promise<void> }) => Promise<T>): Promise<T>;
  onNotification(listener: (channel: string, payload: string) => void): () => void;
}

/**
 * A pool for a store in PGlite, which is PostgreSQL inside this process. The store does not close
 * the database. Its tasks are durable if the database has a folder, and no other process may use
 * them.
 * @throws TaskStoreError `INVALID_ARGUMENT` for anything but a PGlite database
 * @example
 * const store = new PostgresTaskStore({ pool: pglitePool(await PGlite.create("./tasks")) });
 */
export function pglitePool(database: PGliteDatabase): PgPool {
  for (const method of ["query", "exec", "transaction", "onNotification"] as const)
    if (typeof database?.[method] !== "function")
      throw new TaskStoreError(
        "INVALID_ARGUMENT",
        `pglitePool needs a PGlite database, as PGlite.create() makes one: this has no ${method}()`,
      );
  const { dataDir } = database;
  const durable = dataDir !== undefined && dataDir !== "" && !dataDir.startsWith("memory://");
  return { connect: async () => new PGliteClient(database), capabilities: { durable, multiProcess: false } };
}

/** The types that the store's own parsers are for. PGlite leaves any other as it likes. */
const PARSED = [16, 20, 21, 23, 700, 701, 1700];

/**
 * A connection of its own, as far as the store can tell. PGlite has one session, so everything
 * outside of a transaction goes to the database itself, which keeps it out of transactions.
 */
class PGliteClient implements PgClient {
  readonly #database: PGliteDatabase;
  #transaction: OpenTransaction | undefined;
  #unsubscribe: () => void = () => undefined;

  constructor(database: PGliteDatabase) {
    this.#database = database;
  }

  async query({ text, values, types }: PgQuery): Promise<{ rows: unknown[]; command?: string }> {
    const [command = ""] = text.split(" ", 1);
    if (command === "BEGIN") this.#transaction = await OpenTransaction.begin(this.#database, text);
    else if (command === "COMMIT" || command === "ROLLBACK") {
      const transaction = this.#transaction;
      this.#transaction = undefined;
      await transaction?.end(command);
    } else {
      const queries = this.#transaction?.queries ?? this.#database;
      if (values) return queries.query(text, values, { parsers: parsersOf(types) });
      // Without values, it may be several statements.
      await queries.exec(text);
    }
    return { rows: [], command };
  }

  getTransactionStatus(): string {
    return this.#transaction ? "T" : "I";
  }

  on(event: string, listener: (message: { channel: string; payload: string }) => void): void {
    if (event === "notification")
      this.#unsubscribe = this.#database.onNotification((channel, payload) => listener({ channel, payload }));
  }

  removeListener(): void {}

  release(): void {
    this.#unsubscribe();
    this.#transaction?.end("ROLLBACK").catch(() => undefined);
    this.#transaction = undefined;
  }
}

/** PGlite's transactions last as long as a function. This one ends by a call. */
class OpenTransaction {
  readonly queries: Queries;
  readonly #end: (how: "COMMIT" | "ROLLBACK") => void;
  readonly #ended: Promise<void>;

  private constructor(queries: Queries, end: (how: "COMMIT" | "ROLLBACK") => void, ended: Promise<void>) {
    this.queries = queries;
    this.#end = end;
    this.#ended = ended;
  }

  /** @param text `BEGIN` with the transaction's mode. */
  static async begin(database: PGliteDatabase, text: string): Promise<OpenTransaction> {
    const { promise: begun, resolve: begin, reject } = Promise.withResolvers<Queries>();
    const { promise: how, resolve: end } = Promise.withResolvers<"COMMIT" | "ROLLBACK">();
    const ended = database.transaction(async (transaction) => {
      await transaction.exec(text.replace("BEGIN", "SET TRANSACTION"));
      begin(transaction);
      if ((await how) === "ROLLBACK") await transaction.rollback();
    });
    ended.catch(reject);
    return new OpenTransaction(await begun, end, ended);
  }

  end(how: "COMMIT" | "ROLLBACK"): Promise<void> {
    this.#end(how);
    return this.#ended;
  }
}

function parsersOf(types: PgQuery["types"]): Parsers {
  return Object.fromEntries(PARSED.flatMap((oid) => (types ? [[oid, types.getTypeParser(oid)]] : [])));
}
