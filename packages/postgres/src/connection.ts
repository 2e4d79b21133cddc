import { setTimeout as sleep } from "node:timers/promises";
import {
  isConflict,
  isLost,
  isRefusal,
  isRefusedSetting,
  isUnprepared,
  noConnection,
  toStoreError,
  unanswered,
} from "./errors.ts";
import type { PostgresSettings } from "./options.ts";
import { makePool, type OwnPool, type PgClient, type PgPool, type PgQuery } from "./pool.ts";
import { PreparedQuery, takesPrepared } from "./prepared-query.ts";

/** A statement with its parameters by position and its rows. */
export interface Statement<Parameters extends readonly unknown[], Row> {
  /** Different for different texts, since stores with other schemas may share a connection. */
  readonly name: string;
  readonly text: string;
  readonly writes: boolean;
  /** For types only. */
  readonly shape?: (...parameters: Parameters) => Row;
}

/** What statements run on: the pool, each by itself, or one transaction. */
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

// Whatever parsers the application has set for all of pg. Every bigint of ours is a safe integer.
const PARSERS: ReadonlyMap<number, (value: string) => unknown> = new Map<number, (value: string) => unknown>([
  [16, (value) => value === "t"],
  [20, Number],
  [23, Number],
  [701, Number],
]);
const asText = (value: string) => value;
const TYPES = { getTypeParser: (oid: number) => PARSERS.get(oid) ?? asText };

/** How often a statement is run that other transactions came between. */
const ATTEMPTS = 30;
/** By then the server should have ended the statement by itself. */
const GRACE_MS = 1000;

const ignore = () => undefined;

/** Runs statements on the connections of a pool, each in bounded time. */
export class Connections implements Runner {
  readonly #settings: PostgresSettings;
  #pool: PgPool;
  #own: OwnPool | undefined;
  #named = true;
  #busy = 0;
  #drained: (() => void) | undefined;

  constructor(settings: PostgresSettings) {
    this.#settings = settings;
    this.#own = settings.pool ? undefined : makePool(settings, true);
    this.#pool = settings.pool ?? (this.#own as OwnPool);
  }

  /** There is a connection to spare for `LISTEN`. */
  get canListen(): boolean {
    return (this.#pool.options?.max ?? 10) > 1;
  }

  /** Runs the statement in a transaction of its own, again if others came between. */
  async run<Parameters extends readonly unknown[], Row>(
    statement: Statement<Parameters, Row>,
    ...parameters: Parameters
  ): Promise<Row[]> {
    return this.#repeated(statement.writes, (client) => this.#send(client, statement, parameters));
  }

  /**
   * Runs several statements in one transaction. Each sees what was committed before it began, whatever isolation is the
   * database's default: what was committed while it waited for a lock has to be seen.
   */
  async transaction<T>(body: (transaction: Transaction) => Promise<T>, timeoutMs?: number): Promise<T> {
    return this.#repeated(true, async (client) => {
      await this.query(client, { text: "BEGIN ISOLATION LEVEL READ COMMITTED" });
      try {
        const run: Runner["run"] = (statement, ...parameters) => this.#send(client, statement, parameters, timeoutMs);
        const command = async (text: string) => void (await this.query(client, { text }, timeoutMs));
        const result = await body({ run, command });
        await this.query(client, { text: "COMMIT" });
        return result;
      } catch (error) {
        if (isRefusal(error)) await this.query(client, { text: "ROLLBACK" });
        throw error;
      }
    });
  }

  /** A connection, for as long as the caller needs it. */
  checkOut(): Promise<PgClient> {
    const own = this.#own;
    return this.#connect()
      .catch(async (error: unknown) => {
        if (!own || !isRefusedSetting(error)) throw error;
        // A pooler that does not know our settings: without them, statements are bounded by our own timer alone.
        if (this.#own === own) {
          this.#pool = this.#own = makePool(this.#settings, false);
          await own.end();
        }
        return this.#connect();
      })
      .catch((error: unknown) => {
        throw isLost(error) ? noConnection(error) : toStoreError(error);
      });
  }

  /** Gives a connection back; one whose state is not known is closed. */
  giveBack(client: PgClient, destroy = false): void {
    client.removeListener("error", ignore);
    client.release(destroy);
  }

  /** The rows, or the driver's error, in bounded time. */
  query(client: PgClient, query: PgQuery, timeoutMs?: number): Promise<unknown[]> {
    return this.#bounded(timeoutMs, (answer, fail) => {
      client.query(query).then(({ rows }) => answer(rows), fail);
    });
  }

  /** Waits for the calls that have begun, and ends the pool if it is our own. */
  async close(): Promise<void> {
    if (this.#busy > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
    await this.#own?.end();
    this.#own = undefined;
  }

  #send<Row>(
    client: PgClient,
    statement: Statement<never, Row>,
    parameters: readonly unknown[],
    timeoutMs?: number,
  ): Promise<Row[]> {
    const { name, text } = statement;
    const values = parameters as unknown[];
    if (!this.#named) return this.query(client, { text, values, types: TYPES }, timeoutMs) as Promise<Row[]>;
    if (!takesPrepared(client))
      return this.query(client, { name, text, values, types: TYPES }, timeoutMs) as Promise<Row[]>;
    return this.#bounded(timeoutMs, (answer, fail) => {
      const query = new PreparedQuery(statement, values, TYPES, (error, rows) =>
        error ? fail(error) : answer(rows as Row[]),
      );
      const returned = client.query(query);
      // From whoever has put something of theirs before pg.
      if (returned instanceof Promise) returned.catch(fail);
    });
  }

  #bounded<T>(
    timeoutMs = this.#settings.statementTimeoutMs,
    run: (answer: (result: T) => void, fail: (error: unknown) => void) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("No answer in time")), timeoutMs + GRACE_MS).unref();
      run(
        (result) => {
          clearTimeout(timer);
          resolve(result);
        },
        (error) => {
          clearTimeout(timer);
          reject(error);
        },
      );
    });
  }

  async #repeated<T>(writes: boolean, body: (client: PgClient) => Promise<T>): Promise<T> {
    this.#busy += 1;
    try {
      for (let attempt = 1; ; attempt += 1) {
        const client = await this.checkOut();
        try {
          const result = await body(client);
          this.giveBack(client);
          return result;
        } catch (error) {
          this.giveBack(client, !isRefusal(error));
          if (isUnprepared(error)) this.#named = false;
          else if (!isConflict(error)) throw isLost(error) ? unanswered(writes, error) : toStoreError(error);
          if (attempt === ATTEMPTS) throw toStoreError(error);
          if (isConflict(error)) await sleep(Math.random() * Math.min(2 ** attempt, 64));
        }
      }
    } finally {
      this.#busy -= 1;
      if (this.#busy === 0) this.#drained?.();
    }
  }

  #connect(): Promise<PgClient> {
    return new Promise((resolve, reject) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        reject(new Error("No connection was had in time"));
      }, this.#settings.connectTimeoutMs).unref();
      this.#pool.connect().then(
        (client) => {
          clearTimeout(timer);
          if (late) return client.release();
          client.on("error", ignore);
          return resolve(client);
        },
        (error: unknown) => {
          clearTimeout(timer);
          reject(error);
        },
      );
    });
  }
}
