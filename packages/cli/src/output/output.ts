import { styleText } from "node:util";
import { clean } from "./text.ts";

type Style = Parameters<typeof styleText>[0];

/** The version of the JSON that commands print. Fields may be added under the same version. */
export const JSON_VERSION = 1;

/** What a command prints: results to stdout, everything else to stderr. */
export class Output {
  readonly json: boolean;
  readonly #command: string;
  readonly #colours: boolean;
  readonly #secrets: string[] = [];
  /** A line of progress is on the terminal, and has no end yet. */
  #progress = false;

  constructor(command: string, json: boolean, colours: boolean) {
    this.#command = command;
    this.json = json;
    this.#colours = colours;
  }

  /** Columns of the terminal; unlimited in a pipe. */
  get width(): number {
    const columns = process.stdout.isTTY ? process.stdout.columns : Number(process.env["COLUMNS"]);
    return columns > 0 ? columns : Number.POSITIVE_INFINITY;
  }

  /** Someone looks at the results as they come. */
  get isTerminal(): boolean {
    return process.stdout.isTTY === true;
  }

  /** Never prints these texts. */
  hide(secrets: readonly string[]): void {
    this.#secrets.push(...secrets);
  }

  style(style: Style, text: string): string {
    return this.#colours ? styleText(style, text, { validateStream: false }) : text;
  }

  line(text = ""): void {
    this.endProgress();
    process.stdout.write(`${text}\n`);
  }

  /** The one result of a command, as JSON. */
  document(result: object): void {
    this.line(JSON.stringify({ version: JSON_VERSION, command: this.#command, ...result }, null, 2));
  }

  /** One of many results of a command, as a line of JSON. */
  record(result: object): void {
    this.line(JSON.stringify({ version: JSON_VERSION, command: this.#command, ...result }));
  }

  /** A remark for people, on one line. */
  note(text: string): void {
    this.endProgress();
    process.stderr.write(`${this.safe(text)}\n`);
  }

  warn(text: string): void {
    this.note(`mcp-tasks: warning: ${text}`);
  }

  error(text: string): void {
    this.note(`mcp-tasks: ${text}`);
  }

  /** Replaces the last line of progress. Only a terminal shows it. */
  progress(text: string): void {
    if (!process.stderr.isTTY) return;
    process.stderr.write(`\r${clean(text)}\x1b[K`);
    this.#progress = true;
  }

  endProgress(): void {
    if (this.#progress) process.stderr.write("\r\x1b[K");
    this.#progress = false;
  }

  /** The text without credentials and control characters. */
  safe(text: string): string {
    let safe = clean(text).replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, "$1***@");
    for (const secret of this.#secrets) safe = safe.replaceAll(secret, "***");
    return safe;
  }
}

/** https://no-color.org, and FORCE_COLOR as Node reads it. */
export function coloursOf(wanted: boolean | undefined, env: NodeJS.ProcessEnv): boolean {
  if (wanted !== undefined) return wanted;
  if (env["NO_COLOR"]) return false;
  if (env["FORCE_COLOR"]) return env["FORCE_COLOR"] !== "0";
  return process.stdout.isTTY === true && env["TERM"] !== "dumb";
}
