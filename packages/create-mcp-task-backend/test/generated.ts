import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll } from "vitest";
import { pack, run } from "../../../tooling/packages.ts";
import { type Ended, program } from "./program.ts";

/**
 * For the top of a test file. The packed generator makes a project for each runner, outside this
 * repository. Both use the dependencies of the folder around them, which npm installs once, with
 * the packed core.
 */
export function useGenerated() {
  let directory = "";
  let databases = "";
  const folder = (runner: string) => join(directory, `${runner}-backend`);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "create-backend-"));
    // In memory if there is such a folder, since these tests need no disk.
    databases = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "create-backend-"));
    const packed = (path: string) => pack(fileURLToPath(new URL(path, import.meta.url)), directory);
    const [core, generator] = await Promise.all([packed("../../core"), packed("..")]);
    await mkdir(join(directory, "generator"));
    await run("tar", ["-xzf", generator, "-C", "generator", "--strip-components=1"], { cwd: directory });
    for (const runner of ["vitest", "node"]) {
      const args = [
        "generator/dist/main.js",
        `${runner}-backend`,
        "--name",
        `@acme/mcp-task-${runner}`,
        "--runner",
        runner,
      ];
      await run(process.execPath, args, { cwd: directory });
    }
    const { devDependencies } = JSON.parse(await readFile(join(folder("vitest"), "package.json"), "utf8"));
    const dependencies = { ...devDependencies, "@mcp-task-store/core": `file:${core}` };
    await writeFile(join(directory, "package.json"), JSON.stringify({ private: true, dependencies }));
    // Native parts that testcontainers compiles are optional.
    const install = ["install", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts"];
    await run("npm", install, { cwd: directory });
  }, 600_000);

  afterAll(async () => {
    for (const each of [directory, databases]) await rm(each, { recursive: true, force: true });
  });

  return {
    folder,
    /** Runs a command in the project of a runner, with a folder as the database of its tests. */
    async run(runner: string, command: string, ...args: readonly string[]): Promise<Ended> {
      return program(command, args, folder(runner), { TEST_DATABASE_URL: databases });
    },
  };
}
