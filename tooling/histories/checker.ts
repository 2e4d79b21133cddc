// The search for an order, after Wing & Gong ("Testing and Verifying Concurrent Objects", 1993),
// with the memory of Lowe ("Testing for Linearizability", 2017). The npm registry has no library
// for it.

/** What the search needs to know of an operation. */
export interface Timed {
  readonly invoked: number;
  /** `Infinity`: the outcome is unknown. The operation may take effect later, or never. */
  readonly returned: number;
  /** An operation that has to take effect before this one, beside those that returned before. */
  readonly after?: Timed | undefined;
}

/** A sequential object: what each operation may answer, and what it changes. */
export interface Model<State, Op> {
  readonly initial: State;
  /** The state after the operation, or `undefined` if it cannot have its outcome in this state. */
  step(state: State, op: Op): State | undefined;
  /** Whether the operation, with this outcome, changes no state in which it can have it. */
  isRead(op: Op): boolean;
  /** Equal for equal states. */
  key(state: State): string;
}

export type Verdict<Op> =
  | { readonly verdict: "linearizable"; readonly order: readonly Op[] }
  | { readonly verdict: "violation"; readonly configurations: number }
  /** The search gave up after its limit of configurations. */
  | { readonly verdict: "undecided" };

/** Configurations that a search visits before it gives up. */
export const CONFIGURATIONS = 300_000;

/** Whether the operations on an object can have taken effect one by one, each in its time. */
export function check<State, Op extends Timed>(
  model: Model<State, Op>,
  operations: readonly Op[],
  limit = CONFIGURATIONS,
): Verdict<Op> {
  return new Search(model, operations, limit).run();
}

/** One choice of the search, with what was tried from there. */
interface Frame<State> {
  readonly state: State;
  /** The operations that were put into the order on the way here. */
  readonly taken: readonly number[];
  /** The operations that may come next. */
  readonly candidates: readonly number[];
  next: number;
}

class Search<State, Op extends Timed> {
  readonly #model: Model<State, Op>;
  /** By the time of their invocation. */
  readonly #ops: readonly Op[];
  readonly #after: readonly number[];
  readonly #placed: Uint8Array;
  /** Operations before this index are placed. */
  #first = 0;
  /** Operations with a known outcome that are not placed. */
  #left: number;
  readonly #seen = new Set<string>();
  readonly #limit: number;

  constructor(model: Model<State, Op>, operations: readonly Op[], limit: number) {
    this.#model = model;
    this.#ops = operations.toSorted((one, other) => one.invoked - other.invoked);
    const indices = new Map<Timed, number>(this.#ops.map((op, index) => [op, index]));
    this.#after = this.#ops.map(({ after }) => (after ? (indices.get(after) ?? -1) : -1));
    this.#placed = new Uint8Array(this.#ops.length);
    this.#left = this.#ops.filter(({ returned }) => returned !== Infinity).length;
    this.#limit = limit;
  }

  run(): Verdict<Op> {
    const stack = [this.#frame(this.#model.initial, [])];
    for (;;) {
      if (this.#left === 0) {
        const order = stack.flatMap(({ taken }) => taken.map((index) => this.#ops[index] as Op));
        return { verdict: "linearizable", order };
      }
      const frame = stack.at(-1);
      if (!frame) return { verdict: "violation", configurations: this.#seen.size };
      const index = frame.candidates[frame.next++];
      if (index === undefined) {
        for (const taken of frame.taken) this.#remove(taken);
        stack.pop();
        continue;
      }
      const state = this.#model.step(frame.state, this.#ops[index] as Op);
      if (state === undefined) continue;
      this.#place(index);
      const next = this.#frame(state, [index]);
      const key = this.#key(state);
      if (this.#seen.has(key)) {
        for (const taken of next.taken) this.#remove(taken);
        continue;
      }
      if (this.#seen.size >= this.#limit) return { verdict: "undecided" };
      this.#seen.add(key);
      stack.push(next);
    }
  }

  /**
   * Places every read that fits this state. It may as well come now: what comes later does not
   * depend on it. So only changes are choices.
   */
  #frame(state: State, taken: number[]): Frame<State> {
    for (;;) {
      const candidates = this.#candidates();
      const reads = candidates.filter((index) => {
        const op = this.#ops[index] as Op;
        return this.#isKnown(index) && this.#model.isRead(op) && this.#model.step(state, op) !== undefined;
      });
      for (const index of reads) this.#place(index);
      taken.push(...reads);
      if (reads.length === 0) {
        // Unknown outcomes come last: most of them are never needed.
        const known = candidates.filter((index) => this.#isKnown(index));
        return {
          state,
          taken,
          candidates: [...known, ...candidates.filter((index) => !this.#isKnown(index))],
          next: 0,
        };
      }
    }
  }

  /** Operations that were invoked before every operation that is left has returned. */
  #candidates(): number[] {
    const found: number[] = [];
    let horizon = Infinity;
    for (let index = this.#first; index < this.#ops.length; index += 1) {
      const { invoked, returned } = this.#ops[index] as Op;
      if (invoked > horizon) break;
      if (this.#placed[index]) continue;
      horizon = Math.min(horizon, returned);
      const after = this.#after[index] as number;
      if (after < 0 || this.#placed[after]) found.push(index);
    }
    return found.filter((index) => (this.#ops[index] as Op).invoked <= horizon);
  }

  #isKnown(index: number): boolean {
    return (this.#ops[index] as Op).returned !== Infinity;
  }

  #place(index: number): void {
    this.#placed[index] = 1;
    if (this.#isKnown(index)) this.#left -= 1;
    while (this.#placed[this.#first]) this.#first += 1;
  }

  #remove(index: number): void {
    this.#placed[index] = 0;
    if (this.#isKnown(index)) this.#left += 1;
    this.#first = Math.min(this.#first, index);
  }

  /** The state with the set of placed operations: from the same two, the same search follows. */
  #key(state: State): string {
    let set = `${this.#first}`;
    for (let index = this.#first; index < this.#ops.length; index += 1) if (this.#placed[index]) set += `,${index}`;
    return `${set};${this.#model.key(state)}`;
  }
}
