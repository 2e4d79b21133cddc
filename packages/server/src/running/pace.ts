import { realTime } from "@mcp-task-store/core/backend";

/** About how often clients should poll a task while it works. */
const POLLS = 4;
const LEAST_MS = 100;
const MOST_MS = 10_000;
/** The weight of the last run in the mean. */
const WEIGHT = 0.2;

/** How long the work of a tool takes in this process. */
export class Pace {
  #meanMs: number | undefined;

  /** Calls the work, and notes how long it took if it had a result. */
  async timed<T>(work: () => Promise<T>): Promise<T> {
    const start = realTime.now();
    const result = await work();
    const took = realTime.now() - start;
    this.#meanMs = this.#meanMs === undefined ? took : (1 - WEIGHT) * this.#meanMs + WEIGHT * took;
    return result;
  }

  /** Milliseconds between two polls, for clients; `undefined` until some work has ended. */
  get pollInterval(): number | undefined {
    if (this.#meanMs === undefined) return undefined;
    return Math.min(Math.max(Math.round(this.#meanMs / POLLS), LEAST_MS), MOST_MS);
  }
}
