import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll } from "vitest";

export const TIMEOUT_MS = 600_000;

export const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A folder with these files, where this package's name resolves as in a user's project. */
export function useProject(files: Iterable<[name: string, code: string]>) {
  let folder: string;

  beforeAll(async () => {
    const parent = fileURLToPath(new URL(".scratch/", import.meta.url));
    await mkdir(parent, { recursive: true });
    folder = await mkdtemp(join(parent, "project-"));
    for (const [name, code] of files) await writeFile(join(folder, name), code);
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  return {
    /** Runs Node in the folder until it ends. */
    async node(args: readonly string[], variables: Record<string, string> = {}): Promise<Ended> {
      // Child processes must not inherit the variables of this test's runner.
      const inherited = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_|TEST$)/.test(name));
      const env = { ...Object.fromEntries(inherited), NO_COLOR: "1", ...variables };
      const child = spawn(process.execPath, args, { cwd: folder, timeout: TIMEOUT_MS, env });
      const [[code, signal], stdout, stderr] = await Promise.all([
        once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>,
        text(child.stdout),
        text(child.stderr),
      ]);
      return { code, signal, stdout, stderr };
    },
  };
}
