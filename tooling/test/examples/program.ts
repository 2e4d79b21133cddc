import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { repositoryRoot } from "../../packages.ts";

/** For the top of a test file. A folder inside tooling/, where every package resolves. */
export function useScratch(name: string): { readonly path: string } {
  const scratch = { path: "" };
  beforeAll(async () => {
    const parent = join(repositoryRoot, "tooling/.scratch");
    await mkdir(parent, { recursive: true });
    scratch.path = await mkdtemp(join(parent, `${name}-`));
  });
  afterAll(() => rm(scratch.path, { recursive: true, force: true }));
  return scratch;
}

/** A program of an example in its own process, which ends with this object. */
export class Program implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #exited: Promise<[number | null, NodeJS.Signals | null]>;
  #output = "";
  #waiting: (() => void)[] = [];

  constructor(args: readonly string[], options: { cwd: string; env: NodeJS.ProcessEnv }) {
    const env = { ...process.env, NODE_ENV: undefined, NO_COLOR: "1", ...options.env };
    this.#process = spawn(process.execPath, args, { cwd: options.cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    this.#exited = once(this.#process, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream?.setEncoding("utf8").on("data", (text) => {
        this.#output += text;
        this.#wake();
      });
    void this.#exited.then(() => this.#wake());
  }

  /** Everything that the program has printed. */
  get output(): string {
    return this.#output;
  }

  /** The first match in the output, past or future. Throws if the program ends without one. */
  async said(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = pattern.exec(this.#output);
      if (found) return found[1] ?? found[0];
      if (this.#ended) throw new Error(`The program has ended:\n${this.#output}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Sends the signal, and resolves to the exit code, or `null` if the signal ended the program. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#process.kill(signal);
    const [code] = await this.#exited;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.end("SIGKILL");
  }

  get #ended(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
