import { type Context, presentContext, realTime } from "@mcp-task-store/core/backend";
import { unreachable } from "./errors.ts";

/** A call with a deadline. */
export interface Timed {
  /** The deadline on the monotonic clock. */
  readonly until: number;
}

/**
 * One timer for all calls, which wakes at the first deadline. It keeps the process alive while
 * there are calls. (A timer for each call: 1.7 % of a lifecycle.)
 */
export class Deadlines<Call extends Timed> {
  readonly #expire: (call: Call) => void;
  /** The timer belongs to all calls, so it must not keep the context of one. */
  readonly #inContext: Context = presentContext();
  readonly #calls = new Set<Call>();
  #timer: NodeJS.Timeout | undefined;
  /** When the timer wakes. */
  #wakesAt = Number.POSITIVE_INFINITY;

  /** @param expire Called for each call past its deadline, after its removal. */
  constructor(expire: (call: Call) => void) {
    this.#expire = expire;
  }

  add(call: Call): void {
    this.#calls.add(call);
    if (call.until < this.#wakesAt) this.#wakeAt(call.until);
    else if (this.#calls.size === 1) this.#timer?.ref();
  }

  delete(call: Call): void {
    if (this.#calls.delete(call) && this.#calls.size === 0) this.#timer?.unref();
  }

  #wakeAt(time: number): void {
    realTime.clearTimeout(this.#timer);
    this.#wakesAt = time;
    const delay = Math.max(1, Math.ceil(time - realTime.now()));
    this.#timer = this.#inContext(() => realTime.setTimeout(() => this.#wake(), delay));
  }

  #wake(): void {
    this.#timer = undefined;
    this.#wakesAt = Number.POSITIVE_INFINITY;
    const now = realTime.now();
    let next = Number.POSITIVE_INFINITY;
    for (const call of this.#calls) {
      if (call.until > now) next = Math.min(next, call.until);
      else if (this.#calls.delete(call)) this.#expire(call);
    }
    // A call that `expire` added may have set the timer.
    if (next < this.#wakesAt) this.#wakeAt(next);
  }
}

/** Rejects if an attempt to connect takes too long. */
export async function within<T>(timeoutMs: number, attempt: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = realTime.setTimeout(() => reject(unreachable(undefined)), timeoutMs);
  });
  try {
    return await Promise.race([attempt, late]);
  } finally {
    realTime.clearTimeout(timer);
  }
}
