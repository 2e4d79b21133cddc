import { execFile } from "node:child_process";
import { dirname } from "node:path";

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program until it ends, without the variables of this test's runner. */
export function program(
  command: string,
  args: readonly string[],
  cwd: string,
  variables: Record<string, string> = {},
): Promise<Ended> {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(VITEST|NODE_ENV$|TEST$|TEST_DATABASE_URL$)/.test(name),
  );
  // npm runs scripts on the first Node in the PATH.
  const PATH = `${dirname(process.execPath)}:${process.env["PATH"]}`;
  const env = { ...Object.fromEntries(inherited), NO_COLOR: "1", ...variables, PATH };
  return new Promise((resolve) => {
    const options = { cwd, env, timeout: 300_000, maxBuffer: 64 * 1024 * 1024 };
    execFile(command, args, options, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === "number" ? error.code : -1) : 0;
      resolve({ code, stdout, stderr });
    });
  });
}
