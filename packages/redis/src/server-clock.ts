/** The server's clock between two answers that told the time: this process's, corrected by what they differed by. */
export class ServerClock {
  #ahead = 0;

  /** The server has just told this time. */
  told(time: string): number {
    const now = Number(time);
    this.#ahead = now - Date.now();
    return now;
  }

  now(): number {
    return Date.now() + this.#ahead;
  }
}
