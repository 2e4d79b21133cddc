import { realTime } from "@mcp-task-store/core/backend";

/**
 * The server's clock. Between two answers with a time, it is this process's clock plus the
 * difference at the last answer.
 */
export class ServerClock {
  #ahead = 0;

  /** Records the time in an answer that has just arrived. */
  told(time: string): number {
    const now = Number(time);
    this.#ahead = now - realTime.now();
    return now;
  }

  now(): number {
    return realTime.now() + this.#ahead;
  }
}
