import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Place } from "./place.ts";

const PROGRAM = fileURLToPath(new URL("server.ts", import.meta.url));
/** Longest time for a server to be ready. */
const START_MS = 120_000;
/** Longest time for a server to stop before it is killed. */
const STOP_MS = 3000;

export interface ServerArguments {
  store: string;
  place: Place;
  token: string;
  leaseMs: number;
}

/** A server in its own process, which ends with this object. */
export class ServerProcess implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;

  constructor({ store, place, token, leaseMs }: ServerArguments) {
    // The end of stdin tells the server that this process is gone. The place goes into the
    // environment, because a database URL may hold a password and every user of the machine can
    // read arguments.
    this.#process = spawn(process.execPath, [PROGRAM, store], {
      env: { ...process.env, DEMO_TOKEN: token, DEMO_PLACE: JSON.stringify(place), DEMO_LEASE_MS: String(leaseMs) },
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

  /** Ends the server like a crash: it gets no chance to save anything. */
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
