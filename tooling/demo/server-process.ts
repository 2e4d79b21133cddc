import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Place } from "./stores.ts";

const PROGRAM = fileURLToPath(new URL("server.ts", import.meta.url));
/** How long a server may take to be ready. */
const START_MS = 60_000;
/** How long a server may take to end by itself before it is killed. */
const STOP_MS = 3000;

export interface ServerArguments {
  store: string;
  place: Place;
  token: string;
}

/** A server in a process of its own, which ends with this object. */
export class ServerProcess implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;

  constructor({ store, place, token }: ServerArguments) {
    // A pipe as stdin tells the server when this process is gone, whatever ended it.
    // The URL of a database may have a password in it, and everybody on the machine can read arguments.
    this.#process = spawn(process.execPath, [PROGRAM, store], {
      env: { ...process.env, DEMO_TOKEN: token, DEMO_PLACE: JSON.stringify(place) },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#exited = new Promise((resolve) => this.#process.once("exit", resolve).once("error", resolve));
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** The signal that ended the server, if one did. */
  get endedBy(): NodeJS.Signals | null {
    return this.#process.signalCode;
  }

  /** Its address, once it is ready. */
  async url(signal: AbortSignal): Promise<URL> {
    const { stdout } = this.#process;
    if (!stdout) throw new Error("The server could not be started");
    const line = once(createInterface(stdout), "line", { signal });
    const ended = this.#exited.then(() => "The server ended before it was ready");
    const late = sleep(START_MS, "The server was not ready in time", { ref: false });
    const first = await Promise.race([line, ended, late]);
    if (typeof first === "string") throw new Error(first);
    return new URL(first[0]);
  }

  /** Ends it as a crash or a power failure would: it gets no chance to save anything. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGTERM");
    const timeUp = new AbortController();
    const late = sleep(STOP_MS, "late", { signal: timeUp.signal }).catch(() => undefined);
    if ((await Promise.race([this.#exited, late])) === "late") await this.kill();
    timeUp.abort();
  }
}
