import { setTimeout as sleep } from "node:timers/promises";
import { TaskStoreError } from "@mcp-task-store/core";
import { realTime } from "@mcp-task-store/core/backend";
import type { PgClient, PgPool, PgQuery } from "./driver.ts";
import {
  isConflict,
  isLockTimeout,
  isLost,
  isOpenTransaction,
  isPreparedElsewhere,
  isReadOnly,
  isRefusal,
  isRefusedSetting,
  isTimeout,
  isVoid,
  leftOpen,
  mayBeOfSession,
  noConnection,
  OpenTransaction,
  toStoreError,
  unanswered,
} from "./errors.ts";
import { guardHandOver, makePool, type OwnPool } from "./open.ts";
import type { PostgresSettings } from "./options.ts";
import { type Prepared, PreparedQuery, type PreparedResult, takesPrepared } from "./prepared-query.ts";
import { askIfInTransaction, isInTransaction, isReady, SETTINGS_CHANGED } from "./session.ts";
import type { Statement } from "./statement.ts";
import { type Call, type Sent, Together } from "./together.ts";

/** Runs statements, each alone on the pool or all in one transaction. */
export interface Runner {
  run<Parameters extends readonly unknown[], Row>(
    statement: Statement<Parameters, Row>,
    ...parameters: Parameters
  ): Promise<Row[]>;
}

export interface Transaction extends Runner {
  /** Runs SQL without parameters, of one statement or several. */
  command(sql: string): Promise<void>;
}

// The store's own parsers, because the application may have replaced pg's global ones. Every bigint
// here is a safe integer. Each numeric type gives a number, in case a column was altered.
const PARSERS: ReadonlyMap<number, (value: string) => unknown> = new Map<number, (value: string) => unknown>([
  [16, (value) => value === "t"],
  ...[20, 21, 23, 700, 701, 1700].map((oid) => [oid, Number] as const),
]);
const asText = (value: string) => value;
const TYPES = { getTypeParser: (oid: number) => PARSERS.get(oid) ?? asText };

/** Most attempts of a statement after conflicts or on unfit connections. */
const ATTEMPTS = 30;
/**
 * After this many rounds of preparing again, the store stops preparing: some poolers keep losing
 * statements.
 */
const LAST_GENERATION = 20;
/** The store waits this much longer than the server, which should end the statement itself. */
const GRACE_MS = 1000;

const ignore = () => undefined;

/** Runs statements on the connections of a pool, each in bounded time. */
export class Connections implements Runner {
  readonly #settings: PostgresSettings;
  #pool: PgPool;
  #own: OwnPool | undefined;
  /**
   * Part of the names of prepared statements, raised when some became void. The last generation
   * prepares none.
   */
  #generation = 0;
  /** Connections that have served a call of the store. */
  readonly #used = new WeakSet<PgClient>();
  /** Calls go together. On clients unlike pg's, each goes alone. */
  #gathers = true;
  readonly #together = new Together({
    alone: ({ statement, parameters }) => this.#runAlone(statement, parameters),
    together: (calls, before) => this.#sendTogether(calls, before),
    settled: () => this.#done(),
  });
  #busy = 0;
  #drained: (() => void) | undefined;

  constructor(settings: PostgresSettings) {
    this.#settings = settings;
    this.#own = settings.pool ? undefined : makePool(settings, true);
    this.#pool = settings.pool ?? (this.#own as OwnPool);
    if (settings.pool) guardHandOver(settings.pool);
  }

  /** The most connections of the pool. */
  get most(): number {
    return this.#pool.options?.max ?? 10;
  }

  /**
   * Runs the statement in its own transaction or together with others, and repeats it after a
   * conflict.
   */
  run<Parameters extends readonly unknown[], Row>(
    statement: Statement<Parameters, Row>,
    ...parameters: Parameters
  ): Promise<Row[]> {
    const { lane } = statement;
    if (!lane || (!this.#gathers && lane !== "inserts")) return this.#runAlone(statement, parameters);
    this.#busy += 1;
    return this.#together.run(lane, statement, parameters);
  }

  /**
   * Runs several statements in one transaction. It is READ COMMITTED under every default of the
   * database, so that each statement sees all earlier commits, even those made while the one before
   * waited for a lock.
   */
  transaction<T>(body: (transaction: Transaction) => Promise<T>, timeoutMs?: number): Promise<T> {
    return this.#repeated(true, (client) => this.#transact(client, body, timeoutMs));
  }

  /**
   * A connection outside of any transaction, for as long as the caller needs it. Connections of the
   * store's own pool need no check, because only the store uses them and closes those with an open
   * transaction. (This process's time for five calls: 44 µs with the check and its promises, 37 µs
   * without.)
   */
  checkOut(): Promise<PgClient> {
    return this.#settings.pool ? this.#checkOutIdle() : this.#connected();
  }

  /**
   * A connection of the application's pool. The application may have released it with a transaction
   * open.
   */
  async #checkOutIdle(): Promise<PgClient> {
    for (let attempt = 1; ; attempt += 1) {
      const client = await this.#connected();
      try {
        const open = isReady(client) ? isInTransaction(client) : undefined;
        if (!(open ?? (await askIfInTransaction((query) => this.query(client, query))))) return client;
        await this.#undo(client);
        if (attempt === ATTEMPTS) throw leftOpen();
      } catch (error) {
        this.giveBack(client, true);
        if (attempt === ATTEMPTS || !isOpenTransaction(error))
          throw isLost(error) ? noConnection(error) : toStoreError(error);
        continue;
      }
      this.giveBack(client, true);
    }
  }

  /** Gives a connection back to the pool. `destroy` closes it, if its state is unknown. */
  giveBack(client: PgClient, destroy = false): void {
    client.removeListener("error", ignore);
    if (!destroy) this.#used.add(client);
    client.release(destroy);
  }

  /** The rows, or the driver's error, in bounded time. */
  query(client: PgClient, query: PgQuery, timeoutMs?: number): Promise<unknown[]> {
    return this.#bounded(timeoutMs, (answer, fail) => {
      client.query(query).then(({ rows }) => answer(rows), fail);
    });
  }

  /** The answer to a query of the application's own client, in bounded time. */
  answered<T>(query: () => Promise<T>): Promise<T> {
    return this.#bounded(undefined, (answer, fail) => void query().then(answer, fail));
  }

  /** Closes the connections of the store's own pool after a failed opening. */
  reset(): void {
    const own = this.#own;
    if (!own) return;
    this.#pool = this.#own = makePool(this.#settings, true);
    own.end().catch(ignore);
  }

  /** The work counts as a started call, even between its statements. */
  async hold<T>(work: Promise<T>): Promise<T> {
    this.#busy += 1;
    try {
      return await work;
    } finally {
      this.#done();
    }
  }

  /** Waits for started calls, and ends the store's own pool. */
  async close(): Promise<void> {
    if (this.#busy > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
    await this.#own?.end();
    this.#own = undefined;
  }

  #runAlone<Row>(statement: Statement<never, Row>, parameters: readonly unknown[]): Promise<Row[]> {
    return this.#repeated(statement.writes, (client) =>
      this.#settings.pool ? this.#sendAlone(client, statement, parameters) : this.#send(client, statement, parameters),
    );
  }

  /** Runs the calls in one transaction. */
  async #sendTogether(calls: readonly Call[], before: readonly Statement<readonly [], unknown>[]): Promise<Sent> {
    for (let attempt = 1; this.#gathers && attempt <= ATTEMPTS; attempt += 1) {
      let client: PgClient;
      try {
        client = await this.checkOut();
      } catch (error) {
        return { error: () => toStoreError(error) };
      }
      this.#gathers = takesPrepared(client);
      if (!this.#gathers) {
        this.giveBack(client);
        break;
      }
      const generation = this.#generation;
      const statements = [
        ...before.map((statement) => this.#prepared(statement, [])),
        ...calls.map(({ statement, parameters }) => this.#prepared(statement, parameters)),
      ];
      let query: PreparedQuery | undefined;
      try {
        await this.#bounded<unknown>(undefined, (answer, fail, goesOn) => {
          query = this.#submit(client, statements, answer, fail);
          query.onProgress = goesOn;
        });
        if (this.#settings.pool && isInTransaction(client)) throw new OpenTransaction();
        this.giveBack(client);
        return { rows: (query as PreparedQuery).results.slice(before.length).map(({ rows }) => rows) };
      } catch (error) {
        const again = await this.#settle(client, error, generation);
        if (isLockTimeout(error)) return { locked: (query as PreparedQuery).done - before.length };
        if (!again && isLost(error)) return { error: (writes) => unanswered(writes, error) };
        if (!again || isConflict(error)) break;
      }
    }
    return "apart";
  }

  /** Runs outside of any transaction, so that an answer means that the write is committed. */
  async #sendAlone<Row>(
    client: PgClient,
    statement: Statement<never, Row>,
    parameters: readonly unknown[],
  ): Promise<Row[]> {
    const rows = await this.#send(client, statement, parameters);
    // An application may still use a connection that it has released.
    if (isInTransaction(client)) throw new OpenTransaction();
    return rows;
  }

  async #transact<T>(client: PgClient, body: (transaction: Transaction) => Promise<T>, timeoutMs?: number): Promise<T> {
    await this.query(client, { text: "BEGIN ISOLATION LEVEL READ COMMITTED" });
    try {
      const run: Runner["run"] = (statement, ...parameters) => this.#send(client, statement, parameters, timeoutMs);
      const command = async (text: string) => void (await this.query(client, { text }, timeoutMs));
      const result = await body({ run, command });
      await this.#commit(client);
      return result;
    } catch (error) {
      if (isRefusal(error)) await this.query(client, { text: "ROLLBACK" });
      throw error;
    }
  }

  #commit(client: PgClient): Promise<void> {
    return this.#bounded(undefined, (answer, fail) => {
      // If the transaction failed, PostgreSQL answers COMMIT with ROLLBACK.
      client
        .query({ text: "COMMIT" })
        .then(({ command }) => (command === "ROLLBACK" ? fail(new OpenTransaction()) : answer()), fail);
    });
  }

  #send<Row>(
    client: PgClient,
    statement: Statement<never, Row>,
    parameters: readonly unknown[],
    timeoutMs?: number,
  ): Promise<Row[]> {
    const prepared = this.#prepared(statement, parameters);
    if (!takesPrepared(client)) return this.query(client, { ...prepared, types: TYPES }, timeoutMs) as Promise<Row[]>;
    return this.#bounded(timeoutMs, (answer, fail) => {
      this.#submit(client, [prepared], (result) => answer(result?.rows as Row[]), fail);
    });
  }

  #prepared({ name, text }: Statement<never, unknown>, parameters: readonly unknown[]): Prepared {
    const generation = this.#generation;
    const values = parameters as unknown[];
    if (generation === LAST_GENERATION) return { name: "", text, values };
    return { name: generation === 0 ? name : `${name}_${generation}`, text, values };
  }

  #submit(
    client: PgClient,
    statements: readonly Prepared[],
    answer: (result: PreparedResult | undefined) => void,
    fail: (error: unknown) => void,
  ): PreparedQuery {
    const query = new PreparedQuery(statements, TYPES, (error, result) => (error ? fail(error) : answer(result)));
    const returned = client.query(query);
    // Libraries that wrap pg return a promise.
    if (returned instanceof Promise) returned.catch(fail);
    return query;
  }

  #bounded<T>(
    timeoutMs = this.#settings.statementTimeoutMs,
    run: (answer: (result: T) => void, fail: (error: unknown) => void, goesOn: () => void) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = realTime.setTimeout(() => reject(new Error("No answer in time")), timeoutMs + GRACE_MS).unref();
      run(
        (result) => {
          realTime.clearTimeout(timer);
          resolve(result);
        },
        (error) => {
          realTime.clearTimeout(timer);
          reject(error);
        },
        // Each statement has the full time.
        () => void timer.refresh(),
      );
    });
  }

  async #repeated<T>(writes: boolean, body: (client: PgClient) => Promise<T>): Promise<T> {
    this.#busy += 1;
    try {
      for (let attempt = 1; ; attempt += 1) {
        const client = await this.checkOut();
        const generation = this.#generation;
        try {
          const result = await body(client);
          this.giveBack(client);
          return result;
        } catch (error) {
          const again = await this.#settle(client, error, generation);
          if (!again) throw isLost(error) ? unanswered(writes, error) : toStoreError(error);
          if (attempt === ATTEMPTS) throw isOpenTransaction(error) ? leftOpen(error) : toStoreError(error);
          if (isConflict(error)) await sleep(Math.random() * Math.min(2 ** attempt, 64));
        }
      }
    } finally {
      this.#done();
    }
  }

  #done(): void {
    this.#busy -= 1;
    if (this.#busy === 0) this.#drained?.();
  }

  /**
   * Gives back a connection on which a call failed. Returns whether another attempt may succeed.
   */
  async #settle(client: PgClient, error: unknown, generation: number): Promise<boolean> {
    if (isOpenTransaction(error)) {
      await this.#undo(client);
      this.giveBack(client, true);
      return true;
    }
    const unfit = this.#settings.pool !== undefined && mayBeOfSession(error) && (await this.#hasOtherSettings(client));
    const readOnly = isReadOnly(error);
    // The primary may have become a standby, and a new connection may reach its successor.
    const stale = readOnly && this.#used.has(client);
    this.giveBack(client, unfit || readOnly || !isRefusal(error));
    const elsewhere = isPreparedElsewhere(error);
    if (elsewhere || isVoid(error)) {
      if (generation === this.#generation) this.#generation = elsewhere ? LAST_GENERATION : generation + 1;
      // The last generation has no prepared statement that could become void.
      return generation < LAST_GENERATION;
    }
    return isConflict(error) || stale || (unfit && !isTimeout(error));
  }

  /** Rolls back a transaction that the application left open. The caller closes the connection. */
  async #undo(client: PgClient): Promise<void> {
    await this.query(client, { text: "ROLLBACK" }).catch(ignore);
  }

  async #hasOtherSettings(client: PgClient): Promise<boolean> {
    const [row] = await this.query(client, { text: SETTINGS_CHANGED }).catch(() => [{ changed: true }]);
    return Boolean((row as { changed: unknown } | undefined)?.changed);
  }

  /** A connection in any state. */
  #connected(): Promise<PgClient> {
    const own = this.#own;
    return this.#connect().catch((error: unknown) => this.#connectAgain(own, error));
  }

  /**
   * Connects without our settings if a pooler refused them. Our own timer alone bounds the
   * statements then.
   */
  async #connectAgain(own: OwnPool | undefined, failure: unknown): Promise<PgClient> {
    try {
      if (!own || !isRefusedSetting(failure)) throw failure;
      if (this.#own === own) {
        this.#pool = this.#own = makePool(this.#settings, false);
        await own.end();
      }
      return await this.#connect();
    } catch (error) {
      throw isLost(error) ? noConnection(error) : toStoreError(error);
    }
  }

  #connect(): Promise<PgClient> {
    return new Promise((resolve, reject) => {
      let late = false;
      const timer = realTime
        .setTimeout(() => {
          late = true;
          reject(new Error("No connection in time"));
        }, this.#settings.connectTimeoutMs)
        .unref();
      this.#pool.connect().then(
        (client) => {
          realTime.clearTimeout(timer);
          if (typeof client?.query !== "function" || typeof client.release !== "function")
            return reject(
              new TaskStoreError(
                "INVALID_ARGUMENT",
                "pool must be a pool of pg: its connect() has to resolve to a client with query() and release()",
              ),
            );
          if (late) return client.release();
          client.on("error", ignore);
          return resolve(client);
        },
        (error: unknown) => {
          realTime.clearTimeout(timer);
          reject(error);
        },
      );
    });
  }
}
