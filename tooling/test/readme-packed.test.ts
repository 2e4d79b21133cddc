import { beforeAll, describe, expect, test } from "vitest";
import { publicPackages, run } from "../packages.ts";
import { isWide } from "../wide.ts";
import { expectRun, importsOf, programs, runnable, writePrograms } from "./fixtures/programs.ts";
import { installedVersion, usePackedProject } from "./packed-project.ts";

// What a reader does who copies the programs of every page: an empty folder, `npm install`, and
// nothing from this repository but the packed packages.

const ours = publicPackages().map(({ name }) => name);
const needed = [...new Set(programs.flatMap(({ code }) => importsOf(code)))].filter((name) => !ours.includes(name));

describe.runIf(isWide)("outside the repository", () => {
  const project = usePackedProject({
    dependencies: Object.fromEntries(needed.map((name) => [name, installedVersion(name)])),
  });

  beforeAll(async () => {
    await run("npm", ["pkg", "set", "type=module"], { cwd: project.directory });
    await writePrograms(project.directory);
  });

  test("programs import packages that a reader can install", () => {
    expect(needed).toContain("@modelcontextprotocol/server");
  });

  describe.each(runnable)("$readme", (program) => {
    test(`the program at line ${program.line} runs`, { timeout: 150_000 }, async ({ onTestFinished }) => {
      await expectRun(program, project.directory, onTestFinished);
    });
  });
});
