import type { Runner } from "./connection.ts";
import { namesOf } from "./names.ts";
import { read, type Statement } from "./statement.ts";

/**
 * Says up to which position no task can appear any more. A position is drawn before its insert
 * commits, so tasks become visible out of order. Every insert holds a lock on the table from before
 * it draws its position until it is visible or undone. So a position is settled once all
 * transactions have ended that held such a lock when it had been drawn.
 */
export class Settled {
  readonly #runner: Runner;
  readonly #table: string;
  readonly #drawn: Statement<[table: string], { last: number }>;
  readonly #writers: Statement<[table: string], { writer: string }>;
  #settled = 0;
  #next: { position: number; writers: readonly string[] } | undefined;
  #asking: Promise<number> | undefined;

  constructor(runner: Runner, schemaName: string) {
    this.#runner = runner;
    this.#table = namesOf(schemaName).tasks;
    this.#drawn = read(
      "drawn",
      `SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence($1, 'position')::regclass), 0) AS last`,
    );
    this.#writers = read(
      "writers",
      `SELECT virtualtransaction AS writer FROM pg_locks WHERE locktype = 'relation'
        AND relation = $1::text::regclass AND mode = 'RowExclusiveLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
  }

  /**
   * The answer grows from call to call as transactions end. Calls at the same time share one, since
   * writers that are compared must have been read one after the other.
   */
  position(): Promise<number> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(): Promise<number> {
    // In this order: an insert that has drawn a position holds its lock now, or has ended.
    const [{ last } = { last: 0 }] = await this.#runner.run(this.#drawn, this.#table);
    const writers = (await this.#runner.run(this.#writers, this.#table)).map(({ writer }) => writer);
    if (writers.length === 0) {
      this.#settled = last;
      this.#next = undefined;
    } else if (!this.#next?.writers.some((writer) => writers.includes(writer))) {
      this.#settled = this.#next?.position ?? this.#settled;
      this.#next = { position: last, writers };
    }
    return this.#settled;
  }
}
