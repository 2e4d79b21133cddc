import { clean, fitted } from "./text.ts";

const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";

/** The whole terminal, for a view that is drawn again and again. */
export class Screen implements Disposable {
  readonly #onKey: (key: string) => void;
  readonly #onResize: () => void;
  #left = false;

  /** @param onKey Called with each key, Ctrl-C included. */
  constructor(onKey: (key: string) => void, onResize: () => void) {
    this.#onKey = (key) => onKey(key);
    this.#onResize = () => onResize();
    process.stdout.write(ENTER);
    process.stdout.on("resize", this.#onResize);
    if (process.stdin.isTTY) {
      process.stdin.setRawMode(true).setEncoding("utf8").on("data", this.#onKey).resume();
    }
    // Also if the process is made to exit.
    process.once("exit", this.#leave);
  }

  get rows(): number {
    return process.stdout.rows || 24;
  }

  /** Draws the lines, as many as there is room for. They are as wide as the terminal at most. */
  draw(lines: readonly string[]): void {
    const shown = lines.slice(0, this.rows - 1);
    process.stdout.write(`\x1b[H${shown.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
  }

  [Symbol.dispose](): void {
    process.stdout.off("resize", this.#onResize);
    process.stdin.off("data", this.#onKey).pause();
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    process.off("exit", this.#leave);
    this.#leave();
  }

  readonly #leave = (): void => {
    if (!this.#left) process.stdout.write(LEAVE);
    this.#left = true;
  };
}

/** A clean line with something at its right end, cut to the width. */
export function spread(left: string, right: string, width: number): string {
  if (!Number.isFinite(width)) return `${clean(left)}  ${clean(right)}`;
  const room = width - right.length - 2;
  if (room < 8) return fitted(clean(left), width);
  const cut = fitted(clean(left), room);
  return cut + " ".repeat(width - cut.length - right.length) + clean(right);
}
