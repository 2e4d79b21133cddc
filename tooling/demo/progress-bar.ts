const WIDTH = 40;
const QUARTERS = 4;

/** A bar that redraws its line on a terminal. Elsewhere it prints a line for each quarter. */
export class ProgressBar {
  readonly #terminal = process.stdout.isTTY;
  #drawn = "";
  #quarter = -1;

  draw(done: number, total: number): void {
    if (total === 0) return;
    const filled = Math.floor((WIDTH * done) / total);
    this.#drawn = `  [${"█".repeat(filled)}${"·".repeat(WIDTH - filled)}] ${done} of ${total} files`;
    const quarter = Math.floor((QUARTERS * done) / total);
    if (this.#terminal) process.stdout.write(`\r\x1b[K${this.#drawn}`);
    else if (quarter > this.#quarter) console.log(this.#drawn);
    this.#quarter = Math.max(quarter, this.#quarter);
  }

  /** Leaves the bar as it is and goes to the next line. */
  end(): void {
    if (this.#terminal && this.#drawn) process.stdout.write("\n");
    this.#drawn = "";
  }
}
