import type { TaskStoreError } from "@mcp-task-store/core";
import { Batches, type BatchLimits, type Gathering, realTime } from "@mcp-task-store/core/backend";
import { type Lane, read, type Statement } from "./statement.ts";

/** A call that may go with others. Its first parameter is its task's id, or a claim's names. */
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

type Lanes = readonly Batches<Call>[];
type Send = (calls: readonly Call[], lane: Batches<Call>) => Promise<void>;

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
const LIMITS: BatchLimits = { calls: 64, size: 64 * 1024 };
/** Most payload rows in a batch's answer, because each call waits for the whole of it. */
const PAYLOADS = 32;
/** Two, so that one batch leaves while the other is under way. */
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
 * - Reads go apart from writes, which may wait for a lock. Reads of payloads go apart from others.
 * - A call goes in the lane in which it leaves first, but the writes of one task stay in one lane,
 *   and so keep their order. Each batch locks its rows in order of their ids, so that batches of
 *   two processes cannot deadlock.
 * - A claim joins the writes of its turn: a worker stores an outcome and takes the next task in one
 *   commit. It does not wait for a batch that is under way.
 * - Creations have one lane, so tasks are listed in the order of the calls. They lock no row, so
 *   their batches have no lock timeout.
 */
export class Together {
  readonly #sender: Sender;
  readonly #reads: Lanes;
  readonly #payloads: Lanes;
  readonly #writes: Lanes;
  readonly #inserts: Batches<Call>;
  /** By task, the lane of its writes that have no outcome yet, and how many they are. */
  readonly #homes = new Map<unknown, { readonly lane: Batches<Call>; calls: number }>();
  /** By task, the end of its writes outside of a batch. */
  readonly #outside = new Map<unknown, Promise<void>>();

  constructor(sender: Sender) {
    this.#sender = sender;
    const sizeOfCall = ({ size }: Call) => size;
    const lane = (send: Send, limits = LIMITS, gathering: Gathering = "nextTick"): Batches<Call> => {
      const own: Batches<Call> = new Batches<Call>((calls) => send(calls, own), gathering, limits, sizeOfCall);
      return own;
    };
    const lanes = (make: () => Batches<Call>): Lanes => Array.from({ length: LANES }, make);
    const reads: Send = (calls, own) => this.#read(calls, own);
    this.#reads = lanes(() => lane(reads));
    this.#payloads = lanes(() => lane(reads, { ...LIMITS, calls: PAYLOADS }));
    // Claims gather for one tick before they join.
    this.#writes = lanes(() => lane((calls, own) => this.#write(calls, own), LIMITS, "secondTick"));
    this.#inserts = lane((calls, own) => this.#insert(calls, own));
  }

  run<Row>(lane: Lane, statement: Statement<never, Row>, parameters: readonly unknown[]): Promise<Row[]> {
    return new Promise<Row[]>((resolve, reject) => {
      const call: Call = {
        statement: statement as Statement<readonly unknown[], unknown>,
        parameters,
        size: sizeOf(parameters),
        resolve: resolve as (rows: unknown[]) => void,
        reject,
      };
      const batches = this.#laneOf(lane, parameters);
      if (batches) batches.add(call);
      else void this.#alone(call);
    });
  }

  /** `undefined`: the call goes alone. */
  #laneOf(lane: Lane, parameters: readonly unknown[]): Batches<Call> | undefined {
    const [taskId, , limit] = parameters;
    if (lane === "inserts") return this.#inserts;
    if (lane === "writes") return this.#homeOf(taskId);
    if (lane !== "claims") return soonest(lane === "payloads" ? this.#payloads : this.#reads);
    if ((limit as number) > PAYLOADS) return undefined;
    return this.#writes.find(({ hasRoom, waiting }) => hasRoom && waiting > 0);
  }

  #homeOf(taskId: unknown): Batches<Call> {
    const home = this.#homes.get(taskId) ?? { lane: soonest(this.#writes), calls: 0 };
    home.calls += 1;
    this.#homes.set(taskId, home);
    return home.lane;
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
    this.#settled(call);
    call.resolve(rows);
  }

  #reject(call: Call, error: unknown): void {
    this.#settled(call);
    call.reject(error);
  }

  #settled({ statement, parameters: [taskId] }: Call): void {
    this.#sender.settled();
    if (statement.lane !== "writes") return;
    const home = this.#homes.get(taskId);
    if (!home) return;
    home.calls -= 1;
    if (home.calls === 0) this.#homes.delete(taskId);
  }
}

/** The lane in which a call leaves first. */
function soonest(lanes: Lanes): Batches<Call> {
  return lanes.find(({ hasRoom }) => hasRoom) ?? lanes.reduce((a, b) => (b.waiting < a.waiting ? b : a));
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

/** Claims come last: they skip locked rows, so the locks that they hold delay no other batch. */
function inLockOrder(calls: readonly Call[]): readonly Call[] {
  const byTask = calls
    .filter((call) => !isClaim(call))
    .sort(({ parameters: [a] }, { parameters: [b] }) => ((a as string) < (b as string) ? -1 : a === b ? 0 : 1));
  return byTask.length === calls.length ? byTask : [...byTask, ...calls.filter(isClaim)];
}

function isClaim({ statement }: Call): boolean {
  return statement.lane === "claims";
}

function sizeOf(parameters: readonly unknown[]): number {
  let size = 0;
  for (const each of parameters) if (typeof each === "string") size += each.length;
  return size;
}
