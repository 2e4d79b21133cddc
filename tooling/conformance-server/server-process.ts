import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Place } from "../demo/place.ts";
import { repositoryRoot } from "../packages.ts";
import type { Role } from "./tools.ts";

const PROGRAM = fileURLToPath(new URL("process.ts", import.meta.url));
/** Where Node keeps compiled code: some tests start hundreds of these. */
const CODE_CACHE = join(repositoryRoot, "node_modules/.cache/conformance-server");
/** How long a process may take to stop. Only a process that hangs takes this long. */
const STOP_MS = 30_000;

export interface ServerSetup {
  store: string;
  place: Place;
  /** Default: `server`. */
  role?: Role;
}

/** A server or worker in its own process, which ends with this object or with this process. */
export class ServerProcess implements AsyncDisposable {
  /** The server's address, once it is ready. A worker has none. */
  readonly url: Promise<string>;
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;
  #said = "";
  #ended: NodeJS.Signals | undefined;

  constructor({ store, place, role = "server" }: ServerSetup) {
    // The end of stdin tells the server that this process is gone. The place goes into the
    // environment, because a database URL may hold a password and every user of the machine can
    // read arguments.
    const child = spawn(process.execPath, [PROGRAM, store, role], {
      env: { NODE_COMPILE_CACHE: CODE_CACHE, ...process.env, CONFORMANCE_PLACE: JSON.stringify(place) },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#process = child;
    this.#exited = new Promise((resolve) => child.once("close", resolve).once("error", resolve));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#said += text;
    });
    const gone = new AbortController();
    void this.#exited.then(() => gone.abort());
    this.url = once(createInterface(child.stdout), "line", { signal: gone.signal }).then(
      ([line]) => line,
      () => Promise.reject(new Error(`A ${role} ended before it was ready: ${this.#said}`)),
    );
    // Callers that await it see the error.
    this.url.catch(() => undefined);
  }

  /** With SIGTERM the process gives its tasks back. With SIGKILL it cannot. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.#ended ??= signal;
    this.#process.kill(signal);
    const timeUp = new AbortController();
    const late = sleep(STOP_MS, "late", { signal: timeUp.signal }).catch(() => undefined);
    if ((await Promise.race([this.#exited, late])) === "late") this.#process.kill("SIGKILL");
    timeUp.abort();
    await this.#exited;
  }

  /** The problem of an ended process: it wrote to stderr, or it ended without a signal. */
  get problems(): string[] {
    const { exitCode, signalCode } = this.#process;
    const how = signalCode ?? exitCode;
    const expected = this.#ended === "SIGKILL" ? "SIGKILL" : 0;
    return [...(how === expected ? [] : [`ended with ${how}`]), ...(this.#said ? [this.#said] : [])];
  }

  /** @throws Error for one that had a problem */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGTERM");
    if (this.problems.length > 0) throw new Error(this.problems.join("\n"));
  }
}
