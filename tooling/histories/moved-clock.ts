// The wall clocks of hosts, which jump. The monotonic clock never does.
import { randomOf } from "../faults/random.ts";
import type { Span } from "./operation.ts";

/** How a host's clock jumps. */
export interface Jumps {
  readonly seed: number;
  /** Milliseconds that the clock may be ahead, or behind if negative. */
  readonly offsets: readonly number[];
}

/** How long the clock goes on between two jumps. */
const PERIOD_MS = 400;

/** How far the clock is ahead at a time of the run. */
export function offsetAt({ seed, offsets }: Jumps, at: number): number {
  const random = randomOf(seed + Math.floor(at / PERIOD_MS) * 7919);
  return offsets[Math.floor(random() * offsets.length)] ?? 0;
}

/** The least and the greatest of the offsets in a time. */
export function offsetsIn(jumps: Jumps, from: number, to: number): Span {
  const periods = Math.floor(to / PERIOD_MS) - Math.floor(from / PERIOD_MS);
  // So long that every offset may have been in force.
  const met =
    periods > 50
      ? jumps.offsets
      : Array.from({ length: periods + 1 }, (_, index) => offsetAt(jumps, from + index * PERIOD_MS));
  return [Math.min(...met), Math.max(...met)];
}

/** Moves the wall clock of this process. Call it before anything else reads the clock. */
export function moveClock(jumps: Jumps, elapsed: () => number): void {
  const Real = globalThis.Date;
  const now = () => Real.now() + offsetAt(jumps, elapsed());
  globalThis.Date = class extends Real {
    constructor(...args: unknown[]) {
      super(...((args.length === 0 ? [now()] : args) as [number]));
    }

    static override now(): number {
      return now();
    }
  } as DateConstructor;
}
