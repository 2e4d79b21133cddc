import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** The program as it is published. */
export const PROGRAM: string = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  /** Resolves to what the program has written to stdout, once the test passes. */
  output(test: (stdout: string, stderr: string) => boolean): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** Writes to the program's input. */
  type(text: string): void;
  readonly ended: Promise<Ended>;
}

export interface StartOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly input?: string;
  /** Closes the program's stdout after so many characters, as `head` does. */
  readonly closesAfter?: number;
  /** Gives the program a terminal of so many columns. */
  readonly terminal?: number;
}

/** Starts `mcp-tasks` as a process, in a pipe, and with nothing of this process's environment. */
export function start(args: readonly string[], options: StartOptions = {}): Started {
  const { PATH = "", HOME = "" } = process.env;
  const { terminal, cwd } = options;
  const env = { PATH, HOME, TERM: "xterm", ...options.env };
  const given = { env, ...(cwd === undefined ? {} : { cwd }) };
  if (terminal === undefined) return started(spawn(process.execPath, [PROGRAM, ...args], given), options);
  const quoted = [process.execPath, PROGRAM, ...args].map((each) => `'${each.replaceAll("'", "'\\''")}'`);
  const command = `stty cols ${terminal} rows 30; ${quoted.join(" ")}`;
  return started(spawn("script", ["-qefc", command, "/dev/null"], given), options);
}

/** Runs `mcp-tasks` to its end. */
export function mcpTasks(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return start(args, options).ended;
}

/** Runs it with `--json`, and returns what it printed. */
export async function json(args: readonly string[], options: StartOptions = {}) {
  const { code, stdout, stderr } = await mcpTasks([...args, "--json"], options);
  if (code !== 0) throw new Error(`mcp-tasks ${args[0]} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout);
}

function started(child: ReturnType<typeof spawn>, { input = "", closesAfter, terminal }: StartOptions): Started {
  let stdout = "";
  let stderr = "";
  let told = () => {};
  child.stdout?.setEncoding("utf8").on("data", (chunk) => {
    stdout += chunk;
    told();
    if (closesAfter !== undefined && stdout.length > closesAfter) child.stdout?.destroy();
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk) => {
    stderr += chunk;
    told();
  });
  // A program that has ended reads no input.
  child.stdin?.on("error", () => undefined);
  // The end of a terminal's input would end the terminal.
  if (terminal === undefined) child.stdin?.end(input);
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return {
    ended,
    kill: (signal) => void child.kill(signal),
    type: (text) => void child.stdin?.write(text),
    output: (test) =>
      new Promise((resolve, reject) => {
        told = () => {
          if (test(stdout, stderr)) resolve(stdout);
        };
        told();
        void ended.then(({ code }) => reject(new Error(`ended with ${code}: ${stdout}${stderr}`)));
      }),
  };
}
