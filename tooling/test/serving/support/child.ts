import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Address } from "../../fixtures/durable-stores.ts";
import type { ToolEvent } from "./process-tools.ts";
import { Peer } from "./rpc.ts";

const PROGRAM = fileURLToPath(new URL("server-process.ts", import.meta.url));

/** A server in its own process, which ends with this object. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #events: Partial<ToolEvent & { url: string }>[] = [];
  #waiting: (() => void)[] = [];

  constructor(address: Address | undefined) {
    // The address may hold a password, and every user of the machine can read arguments.
    const env = { ...process.env, SERVER_ADDRESS: JSON.stringify(address) };
    this.#process = spawn(process.execPath, [PROGRAM], { env, stdio: ["pipe", "pipe", "inherit"] });
    this.#exited = once(this.#process, "exit");
    if (!this.#process.stdout) throw new Error("The process has no output");
    createInterface({ input: this.#process.stdout }).on("line", (line) => {
      this.#events.push(JSON.parse(line));
      for (const wake of this.#waiting.splice(0)) wake();
    });
    void this.#exited.then(() => {
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  async peer(): Promise<Peer> {
    const { url } = await this.said({});
    return new Peer(String(url));
  }

  /** The first matching line of the process, past or future. */
  async said(like: Partial<ToolEvent>): Promise<Partial<ToolEvent & { url: string }>> {
    for (;;) {
      const found = this.#events.find((event) =>
        Object.entries(like).every(([key, value]) => Object.is(Reflect.get(event, key), value)),
      );
      if (found) return found;
      if (this.#process.exitCode !== null || this.#process.signalCode) throw new Error("The process has ended");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exited;
  }

  /** Stops the server gracefully. */
  async close(): Promise<void> {
    this.#process.stdin?.write("close\n");
    await this.said({ event: "closed" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && !this.#process.signalCode) await this.kill();
  }
}
