import { type Context, presentContext } from "../process/context.ts";
import * as real from "../process/real-time.ts";

/** Upper bounds of a batch. */
export interface BatchLimits {
  readonly calls: number;
  /** The sum of the calls' sizes. A call that is larger goes alone. */
  readonly size: number;
}

/** When a gathered batch leaves, if no other batch is under way. */
export type Gathering =
  /** After the code that is running now. For backends that answer without I/O. */
  | "microtask"
  /** After all the code that answers of one turn have started. For backends that answer by I/O. */
  | "nextTick"
  /** One tick later, so that calls which gather on their own until then can join. */
  | "secondTick";

const GATHER: Readonly<Record<Gathering, (run: () => void) => void>> = {
  microtask: real.microtask,
  nextTick: real.nextTick,
  secondTick: (run) => real.nextTick(() => real.nextTick(run)),
};

/**
 * Gathers the calls of one turn, and those made while a batch is under way, in the order of the
 * calls. One batch is under way at a time. A call that is alone leaves in its own turn.
 *
 * `send` settles the calls of a batch, and each call keeps its own outcome.
 */
export class Batches<Call> {
  readonly #send: (calls: readonly Call[]) => Promise<void> | undefined;
  readonly #sizeOf: (call: Call) => number;
  readonly #limits: BatchLimits;
  readonly #gather: (run: () => void) => void;
  #pending: Call[] = [];
  /** The sum of the sizes of the pending calls. */
  #size = 0;
  /** The context of the first pending call. The batch is sent in it. */
  #context: Context | undefined;
  #gathering = false;
  #underWay = false;
  /** Called when a call begins to wait behind the batch that is under way. */
  #onWaiting: (() => void) | undefined;

  /**
   * @param send Sends a batch and settles its calls. The promise resolves when the next batch may
   * leave, and never rejects; `undefined` = it may leave now.
   */
  constructor(
    send: (calls: readonly Call[]) => Promise<void> | undefined,
    gathering: Gathering,
    limits: BatchLimits = { calls: Number.POSITIVE_INFINITY, size: Number.POSITIVE_INFINITY },
    sizeOf: (call: Call) => number = () => 0,
  ) {
    this.#send = send;
    this.#sizeOf = sizeOf;
    this.#limits = limits;
    this.#gather = GATHER[gathering];
  }

  add(call: Call): void {
    // While nothing is under way, the call's own turn ends the gathering, in its context.
    if (this.#pending.length === 0) this.#context = this.#underWay ? presentContext() : undefined;
    this.#pending.push(call);
    this.#size += this.#sizeOf(call);
    if (this.#underWay) this.#tellWaiting();
    if (this.#gathering || this.#underWay) return;
    this.#gathering = true;
    this.#gather(() => {
      this.#gathering = false;
      this.flush();
    });
  }

  /** How many calls wait to leave. */
  get waiting(): number {
    return this.#pending.length;
  }

  /** A call that is added now leaves in this turn, with those that wait. */
  get hasRoom(): boolean {
    return !this.#underWay && this.#pending.length < this.#limits.calls && this.#size < this.#limits.size;
  }

  /** Calls back once, when a call waits behind the batch that is being sent or is under way. */
  onceWaiting(listener: () => void): void {
    this.#onWaiting = listener;
    if (this.#pending.length > 0) this.#tellWaiting();
  }

  #tellWaiting(): void {
    const listener = this.#onWaiting;
    this.#onWaiting = undefined;
    listener?.();
  }

  /** Removes the waiting calls and returns them. */
  drop(): readonly Call[] {
    const dropped = this.#pending;
    this.#pending = [];
    this.#size = 0;
    return dropped;
  }

  /** Sends the pending calls, now or after the batch that is under way. */
  flush(): void {
    while (this.#pending.length > 0 && !this.#underWay) {
      const calls = this.#take();
      const sent = this.#context ? this.#context(() => this.#send(calls)) : this.#send(calls);
      if (!sent) continue;
      this.#underWay = true;
      void sent.then(() => {
        this.#underWay = false;
        this.#onWaiting = undefined;
        this.flush();
      });
    }
  }

  /** Sends all pending calls, even while a batch is under way. */
  drain(): void {
    while (this.#pending.length > 0) void this.#send(this.#take());
  }

  #take(): readonly Call[] {
    const { calls, size } = this.#limits;
    const pending = this.#pending;
    let count = 0;
    let sum = 0;
    while (count < pending.length && count < calls) {
      sum += this.#sizeOf(pending[count] as Call);
      if (count > 0 && sum > size) break;
      count += 1;
    }
    if (count === pending.length) return this.drop();
    const taken = pending.splice(0, count);
    for (const call of taken) this.#size -= this.#sizeOf(call);
    return taken;
  }
}
