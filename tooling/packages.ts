import { execFile } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const repositoryRoot: string = fileURLToPath(new URL("..", import.meta.url));

export interface PublicPackage {
  readonly name: string;
  readonly directory: string;
  /** The paths that a user can import, such as `@mcp-task-store/core/conformance`. */
  readonly entryPoints: readonly string[];
}

/** Every published package under `packages/`. */
export function publicPackages(): PublicPackage[] {
  return globSync("packages/*/package.json", { cwd: repositoryRoot })
    .toSorted()
    .map((path) => join(repositoryRoot, path))
    .map((path) => ({ path, manifest: JSON.parse(readFileSync(path, "utf8")) }))
    .filter(({ manifest }) => manifest.private !== true)
    .map(({ path, manifest }) => ({
      name: manifest.name,
      directory: dirname(path),
      entryPoints: Object.keys(manifest.exports)
        .filter((subpath) => subpath !== "./package.json")
        .map((subpath) => join(manifest.name, subpath)),
    }));
}

/** Packs a package as for publishing, and returns the path of the tarball. */
export async function pack(directory: string, destination: string): Promise<string> {
  const output = await run("pnpm", ["pack", "--json", "--pack-destination", destination], { cwd: directory });
  return JSON.parse(output).filename;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
}

/** Runs a command and returns its stdout. A failure rejects with all of its output. */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { cwd, env = process.env, timeoutMs = 300_000 } = options;
  try {
    const { stdout } = await execFileAsync(command, args, {
      cwd,
      env,
      timeout: timeoutMs,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    // Node's message holds the command and its stderr.
    const { message, stdout = "", killed } = error as Error & { stdout?: string; killed?: boolean };
    const outcome = killed ? `\ndid not end within ${timeoutMs} ms` : "";
    throw new Error(`${message}${outcome}\n${stdout}`);
  }
}

const execFileAsync = promisify(execFile);
