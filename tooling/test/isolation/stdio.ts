import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Pipe, Pipes } from "./pipe.ts";
import { exchangeOver } from "./sdk-2.ts";
import { STDIO_SERVER } from "./stdio-server.ts";
import type { Generation, Wire } from "./wire.ts";

/** Each caller starts a server of its own on the same SQLite file. */
export function stdio(path: string, sdk: 1 | 2, generation: Generation): Wire {
  const pipes = new Pipes(async ({ anonymous, user }) => {
    const args = [STDIO_SERVER, String(sdk), path, ...(anonymous || user === undefined ? [] : [user])];
    const pipe = new Pipe(new Lines(spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] })));
    await pipe.start();
    if (generation === "2025-11-25") await pipe.initialize();
    return pipe;
  });
  return {
    generation,
    exchange: exchangeOver(pipes, generation),
    [Symbol.asyncDispose]: () => pipes.close(),
  };
}

/** A process that reads and writes a message a line. */
class Lines {
  onmessage?: ((message: never) => void) | undefined;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  async start(): Promise<void> {
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    lines.on("line", (line) => this.onmessage?.(JSON.parse(line) as never));
  }

  async send(message: never): Promise<void> {
    this.#child.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  async close(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.stdin?.end();
    await exited;
  }
}
