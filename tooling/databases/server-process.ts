import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { chown, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Belonging, remove } from "./belongings.ts";
import { discard, keep } from "./keeper.ts";
import { freeze, kill, thaw } from "./processes.ts";
import type { ServerControl } from "./server.ts";
import { isReachable, serverUser } from "./unprivileged.ts";

/** A temporary folder owned by the user that servers run as. */
export async function serverFolder(product: string): Promise<string> {
  const user = serverUser();
  const parent = user === undefined || isReachable(join(tmpdir(), "_")) ? tmpdir() : "/tmp";
  const path = await mkdtemp(join(parent, `mcp-task-store-${product}-`));
  keep({ kind: "directory", path });
  if (user !== undefined) await chown(path, user.uid, user.gid);
  return path;
}

export interface ServerProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** The server's working folder, which also holds `log`. */
  readonly folder: string;
  /** The network namespace that the server runs in. Default: this process's own. */
  readonly namespace?: string | undefined;
  /** Resolves once the server answers. */
  ping(): Promise<unknown>;
  readonly signals: {
    /** Makes the server end and keep its data. */
    readonly orderly: NodeJS.Signals;
    /** Makes the server end at once and release its kernel resources. */
    readonly atOnce: NodeJS.Signals;
  };
}

/** A server that is a local process. */
export class ServerProcess implements ServerControl {
  readonly #options: ServerProcessOptions;
  #process: ProcessBelonging | undefined;
  #child: ChildProcess | undefined;

  constructor(options: ServerProcessOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { command, args, folder, namespace, signals } = this.#options;
    const { child, belonging } = await launch(folder, command, args, signals.atOnce, namespace);
    this.#process = belonging;
    this.#child = child;
    await this.#untilItAnswers(child);
    child.unref();
  }

  async #untilItAnswers(child: ChildProcess): Promise<void> {
    const { command, folder, ping } = this.#options;
    const deadline = Date.now() + 60_000;
    for (;;) {
      try {
        await ping();
        return;
      } catch (error) {
        const ended = child.exitCode !== null || child.signalCode !== null;
        if (!ended && Date.now() < deadline) {
          await sleep(20);
          continue;
        }
        await this.halt("killed");
        throw new Error(`${command} ${ended ? "ended" : "does not answer"}:\n${logOf(folder)}`, { cause: error });
      }
    }
  }

  async pause(): Promise<void> {
    if (this.#process !== undefined) await freeze(this.#process.pid);
  }

  async resume(): Promise<void> {
    if (this.#process !== undefined) await thaw(this.#process.pid);
  }

  async halt(how: "orderly" | "killed" | "at once"): Promise<void> {
    if (this.#process === undefined) return;
    if (how === "killed") await kill(this.#process.pid);
    else if (how === "orderly") await remove({ ...this.#process, signal: this.#options.signals.orderly });
    await discard(this.#process);
    this.#process = undefined;
    await reaped(this.#child as ChildProcess);
  }

  async stop(): Promise<void> {
    await this.halt("at once");
    await discard({ kind: "directory", path: this.#options.folder });
  }
}

/** Runs a command to its end, as the user that servers run as. */
export async function runIn(folder: string, command: string, args: readonly string[]): Promise<void> {
  const { child, belonging } = await launch(folder, command, args, "SIGINT");
  const [code] = child.exitCode === null ? await once(child, "exit") : [child.exitCode];
  await discard(belonging);
  if (code !== 0) throw new Error(`${command} failed:\n${logOf(folder)}`);
}

/**
 * Resolves once the system has forgotten the ended child. Until then a Postgres that starts on its
 * data takes it for a server that runs.
 */
async function reaped(child: ChildProcess): Promise<void> {
  child.ref();
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

type ProcessBelonging = Belonging & { readonly kind: "process" };

interface Launched {
  readonly child: ChildProcess;
  readonly belonging: ProcessBelonging;
}

async function launch(
  folder: string,
  command: string,
  args: readonly string[],
  signal: NodeJS.Signals,
  namespace?: string,
): Promise<Launched> {
  const log = openSync(join(folder, "log"), "a");
  const user = serverUser();
  const [program = "", ...rest] = namespace === undefined ? [command, ...args] : entering(namespace, command, args);
  // Detached, so that Ctrl-C does not end the server before we do.
  const child = spawn(program, rest, {
    cwd: folder,
    detached: true,
    stdio: ["ignore", log, log],
    env: { PATH: process.env["PATH"], LC_ALL: "C" },
    ...(namespace === undefined ? user : {}),
  });
  closeSync(log);
  if (child.pid !== undefined) keep({ kind: "process", pid: child.pid, signal });
  await once(child, "spawn");
  return { child, belonging: { kind: "process", pid: child.pid as number, signal } };
}

/** For root. Each program replaces the one before, so the pid is the server's. */
function entering(namespace: string, command: string, args: readonly string[]): string[] {
  const { uid = 0, gid = 0 } = serverUser() ?? {};
  const asUser = ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
  return ["ip", "netns", "exec", namespace, ...asUser, command, ...args];
}

function logOf(folder: string): string {
  return readFileSync(join(folder, "log"), "utf8").split("\n").slice(-20).join("\n");
}
