import { readFileSync } from "node:fs";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll } from "vitest";
import { pack, publicPackages, repositoryRoot, run } from "../packages.ts";

export interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  /** npm goes on without those that cannot be installed. */
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface ProjectOptions {
  /** The public packages to install, by the names of their folders. @default all */
  readonly packages?: readonly string[];
  /** The environment of npm, in the project's folder. @default that of this process */
  readonly env?: (directory: string) => NodeJS.ProcessEnv;
  /** The bound on npm's time, for packages that are compiled. @default 300_000 */
  readonly timeoutMs?: number;
}

/**
 * For the top of a test file. A project outside this repository, with the public packages packed
 * and installed by npm, and the programs of `packed/`.
 */
export function usePackedProject(
  manifest: Manifest,
  { packages: wanted, env = () => process.env, timeoutMs = 300_000 }: ProjectOptions = {},
): { readonly directory: string } {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "pack-test-"));
    const packages = publicPackages().filter((each) => wanted?.includes(basename(each.directory)) ?? true);
    const tarballs = await Promise.all(packages.map((each) => pack(each.directory, directory)));
    const ours = Object.fromEntries(packages.map(({ name }, index) => [name, `file:${tarballs[index]}`]));
    const dependencies = { ...manifest.dependencies, ...ours };
    await writeFile(join(directory, "package.json"), JSON.stringify({ private: true, ...manifest, dependencies }));
    await cp(fileURLToPath(new URL("packed", import.meta.url)), directory, { recursive: true });
    await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline"], {
      cwd: directory,
      env: env(directory),
      timeoutMs,
    });
  }, timeoutMs + 300_000);
  afterAll(() => rm(directory, { recursive: true, force: true }));
  return {
    get directory() {
      return directory;
    },
  };
}

/** The version that this repository uses. */
export function installedVersion(name: string): string {
  return JSON.parse(readFileSync(join(repositoryRoot, "tooling/node_modules", name, "package.json"), "utf8")).version;
}
