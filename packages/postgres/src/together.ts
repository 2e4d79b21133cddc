import type { TaskStoreError } from "@mcp-task-store/core";
import { Batches, realTime } from "@mcp-task-store/core/backend";
import { type Lane, read, type Statement } from "./statement.ts";

/** A call that may go with others. Its first parameter is the id of its task. */
export interface Call {
  readonly statement: Statement<readonly unknown[], unknown>;
  readonly parameters: readonly unknown[];
  readonly size: number;
  readonly resolve: (rows: unknown[]) => void;
  readonly reject: (error: unknown) => void;
}

/** The outcome of a batch. */
export type Sent =
  /** All have run, and are committed. */
  | { readonly rows: readonly unknown[][] }
  /** None has run, because this one did not get a lock in time. */
  | { readonly locked: number }
  /** None has run. */
  | "apart"
  /** They may have run or not. Or they were not sent, for a reason common to all. */
  | { readonly error: (writes: boolean) => TaskStoreError };

/** Sends calls to the database. */
export interface Sender {
  /** In its own transaction, repeated after conflicts. */
  alone(call: Call): Promise<unknown[]>;
  /** A call has its outcome. */
  settled(): void;
  /** In one transaction, after the statements of `before`. */
  together(calls: readonly Call[], before: readonly Statement<readonly [], unknown>[]): Promise<Sent>;
}

/** Most calls and characters in a batch. */
const LIMITS = { calls: 64, size: 64 * 1024 };
/** Two, so that one batch fills while the other is under way. */
const LANES = 2;
/** How often a batch is sent again without the calls that wait for a lock. */
const MOST_ROUNDS = 2;

/**
 * How long a row locked by a foreign transaction delays its batch, in milliseconds. (A row locked
 * for 1.5 s delayed 31 of 63 other calls without this limit, and none for more than 107 ms with
 * it.)
 */
const LOCK_MS = 50;
const LOCK_TIMEOUT = read<readonly [], unknown>(
  "lock_timeout",
  `SELECT set_config('lock_timeout', '${LOCK_MS}', true) AS value`,
);

/**
 * Sends concurrent calls in one transaction, with one commit and one round trip. A lone call goes
 * unchanged.
 *
 * - Reads go apart from writes, which may wait for a lock.
 * - The writes of one task go in one lane, and so keep their order. Each batch locks its rows in
 *   order of their ids, so that batches of two processes cannot deadlock.
 * - Creations have one lane, so tasks are listed in the order of the calls. They lock no row, so
 *   their batches have no lock timeout.
 */
export class Together {
  readonly #sender: Sender;
  readonly #reads: readonly Batches<Call>[];
  readonly #writes: readonly Batches<Call>[];
  readonly #inserts: Batches<Call>;
  /** By task, the end of its writes outside of a batch. */
  readonly #outside = new Map<unknown, Promise<void>>();

  constructor(sender: Sender) {
    this.#sender = sender;
    const lane = (send: (calls: readonly Call[], lane: Batches<Call>) => Promise<void>): Batches<Call> => {
      const batches: Batches<Call> = new Batches<Call>(
        (calls) => send(calls, batches),
        "nextTick",
        LIMITS,
        ({ size }) => size,
      );
      return batches;
    };
    const lanes = (make: () => Batches<Call>) => Array.from({ length: LANES }, make);
    this.#reads = lanes(() => lane((calls, own) => this.#read(calls, own)));
    this.#writes = lanes(() => lane((calls, own) => this.#write(calls, own)));
    this.#inserts = lane((calls, own) => this.#insert(calls, own));
  }

  run<Row>(lane: Lane, statement: Statement<never, Row>, parameters: readonly unknown[]): Promise<Row[]> {
    return new Promise<Row[]>((resolve, reject) => {
      this.#laneOf(lane, parameters[0] as string).add({
        statement: statement as Statement<readonly unknown[], unknown>,
        parameters,
        size: sizeOf(parameters),
        resolve: resolve as (rows: unknown[]) => void,
        reject,
      });
    });
  }

  #laneOf(lane: Lane, taskId: string): Batches<Call> {
    if (lane === "inserts") return this.#inserts;
    const lanes = lane === "reads" ? this.#reads : this.#writes;
    return lanes[taskId.charCodeAt(taskId.length - 1) % LANES || 0] as Batches<Call>;
  }

  async #insert(calls: readonly Call[], lane: Batches<Call>): Promise<void> {
    if (calls.length > 1 && (await this.#together(calls, [], lane)) === "done") return;
    for (const call of calls) await this.#alone(call);
  }

  #read(calls: readonly Call[], lane: Batches<Call>): Promise<void> {
    if (calls.length === 1) return held(this.#alone(calls[0] as Call), lane);
    return this.#readTogether(calls, lane);
  }

  async #readTogether(calls: readonly Call[], lane: Batches<Call>): Promise<void> {
    if ((await this.#together(calls, [], lane)) === "done") return;
    await held(Promise.all(calls.map((call) => this.#alone(call))), lane);
  }

  #write(calls: readonly Call[], lane: Batches<Call>): Promise<void> {
    const [call] = calls as [Call];
    const [taskId] = call.parameters;
    if (calls.length === 1 && !this.#outside.has(taskId)) {
      const ended = this.#alone(call);
      return held(ended, lane, () => this.#goesOn(taskId, ended));
    }
    return this.#writeTogether(calls, lane);
  }

  async #writeTogether(calls: readonly Call[], lane: Batches<Call>): Promise<void> {
    let left = inLockOrder(calls);
    for (let round = 1; ; round += 1) {
      if (this.#outside.size > 0) {
        const behind = left.filter(({ parameters: [taskId] }) => this.#outside.has(taskId));
        void this.#apart(behind);
        left = left.filter((call) => !behind.includes(call));
      }
      if (left.length < 2) break;
      const sent = await this.#together(left, [LOCK_TIMEOUT], lane);
      if (sent === "done") return;
      if (sent === "apart") break;
      // Calls on the same task wait for that lock, in order. The others go on without them.
      const locked = left[sent.locked]?.parameters[0];
      void this.#apart(left.filter(({ parameters: [taskId] }) => taskId === locked));
      left = left.filter(({ parameters: [taskId] }) => taskId !== locked);
      // Many rows are locked, so each call goes alone.
      if (round === MOST_ROUNDS) break;
    }
    await held(this.#apart(left), lane);
  }

  /**
   * Sends the calls in one transaction. "done" = each has its outcome. If the database did not
   * answer, the calls waiting in the lane have failed too, as they would wait just as long.
   */
  async #together(
    calls: readonly Call[],
    before: readonly Statement<readonly [], unknown>[],
    lane: Batches<Call>,
  ): Promise<"done" | "apart" | { readonly locked: number }> {
    const sent = await this.#sender.together(calls, before);
    if (sent === "apart" || "locked" in sent) return sent;
    if ("rows" in sent) for (const [index, call] of calls.entries()) this.#resolve(call, sent.rows[index] as unknown[]);
    else {
      for (const call of calls) this.#reject(call, sent.error(call.statement.writes));
      for (const call of lane.drop()) this.#reject(call, sent.error(false));
    }
    return "done";
  }

  /** Each call in its own transaction: in order for one task, concurrently for different tasks. */
  async #apart(calls: readonly Call[]): Promise<void> {
    const tasks = Map.groupBy(calls, ({ parameters }) => parameters[0]);
    await Promise.all([...tasks.values()].map((ofTask) => this.#behind(ofTask)));
  }

  /** Runs the calls on one task one by one, after those under way outside of a batch. */
  async #behind(calls: readonly Call[]): Promise<void> {
    const taskId = calls[0]?.parameters[0];
    const ended = this.#oneByOne(calls, this.#outside.get(taskId));
    this.#goesOn(taskId, ended);
    await ended;
  }

  /** Later writes of the task wait for that. */
  #goesOn(taskId: unknown, ended: Promise<void>): void {
    this.#outside.set(taskId, ended);
    void ended.then(() => {
      if (this.#outside.get(taskId) === ended) this.#outside.delete(taskId);
    });
  }

  async #oneByOne(calls: readonly Call[], before: Promise<void> | undefined): Promise<void> {
    await before;
    for (const call of calls) await this.#alone(call);
  }

  /** Resolves once the call has its outcome. */
  #alone(call: Call): Promise<void> {
    return this.#sender.alone(call).then(
      (rows) => this.#resolve(call, rows),
      (error) => this.#reject(call, error),
    );
  }

  #resolve(call: Call, rows: unknown[]): void {
    this.#sender.settled();
    call.resolve(rows);
  }

  #reject(call: Call, error: unknown): void {
    this.#sender.settled();
    call.reject(error);
  }
}

/**
 * Resolves when the lane may go on: lone calls delay those behind them until they end, but no
 * longer than `LOCK_MS`.
 * @param onFree The lane goes on before the calls have ended.
 */
function held(calls: Promise<unknown>, lane: Batches<Call>, onFree?: () => void): Promise<void> {
  return new Promise((next) => {
    let timer: NodeJS.Timeout | undefined;
    void calls.then(() => {
      realTime.clearTimeout(timer);
      next();
    });
    lane.onceWaiting(() => {
      const free = () => {
        onFree?.();
        next();
      };
      timer = realTime.setTimeout(free, LOCK_MS).unref();
    });
  });
}

function inLockOrder(calls: readonly Call[]): readonly Call[] {
  return calls.toSorted(({ parameters: [a] }, { parameters: [b] }) =>
    (a as string) < (b as string) ? -1 : a === b ? 0 : 1,
  );
}

function sizeOf(parameters: readonly unknown[]): number {
  let size = 0;
  for (const each of parameters) if (typeof each === "string") size += each.length;
  return size;
}
