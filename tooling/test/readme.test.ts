import { globSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { repositoryRoot, run } from "../packages.ts";

// Every `ts` and `js` fence of a README is a program: it is type-checked (`ts`) and executed, each in a process of its
// own that has to end well. In the info string, `no-run` leaves out the execution, and `title="name.ts"` gives the file
// that name, so that later fences of the same README can import it.

const fences = globSync(["README.md", "packages/*/README.md"], { cwd: repositoryRoot }).toSorted().flatMap(fencesOf);
const programs = fences.filter(({ language }) => language === "ts" || language === "js");
const commands = fences
  .filter(({ language }) => language === "sh")
  .flatMap(({ code, readme }) =>
    [...code.matchAll(/npx pnpm@12 (?:run )?([\w:-]+)/g)].map(([, script]) => ({ readme, script })),
  );

// Inside tooling/, where every package of the workspace resolves.
let scratch: string;

beforeAll(async () => {
  const parent = join(repositoryRoot, "tooling/.scratch");
  await mkdir(parent, { recursive: true });
  scratch = await mkdtemp(join(parent, "readme-"));
  await writeFile(
    join(scratch, "tsconfig.json"),
    JSON.stringify({
      extends: "../../tsconfig.test.json",
      // The SDK's adapter for Node's http takes no request of Node's own where the latter option is set.
      compilerOptions: { noUnusedLocals: false, exactOptionalPropertyTypes: false },
    }),
  );
  for (const { folder, file, line, code } of programs) {
    await mkdir(join(scratch, folder), { recursive: true });
    // As many blank lines as the README has above the fence, so that errors name the README's own lines.
    await writeFile(join(scratch, folder, file), "\n".repeat(line - 1) + code);
  }
});

afterAll(() => rm(scratch, { recursive: true, force: true }));

test.runIf(programs.some(({ language }) => language === "ts"))(
  "the TypeScript of every README type-checks",
  async () => {
    await run(join(repositoryRoot, "node_modules/.bin/tsc"), ["-p", scratch, "--pretty", "false"], { cwd: scratch });
  },
  120_000,
);

describe.each(programs.filter(({ info }) => !/\bno-run\b/.test(info)))("$readme", ({ folder, file, line }) => {
  test(`the program at line ${line} runs`, async () => {
    await run(process.execPath, [file], { cwd: join(scratch, folder), timeoutMs: 120_000 });
  }, 150_000);
});

test("every command of a README is a script of this repository", () => {
  const { scripts } = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));
  const unknown = commands.filter(({ script }) => script !== "install" && !Object.hasOwn(scripts, script ?? ""));
  expect(unknown).toEqual([]);
});

interface Fence {
  readonly readme: string;
  /** A folder for each README, so that two can use the same file names. */
  readonly folder: string;
  readonly file: string;
  /** The line of the README on which the code begins. */
  readonly line: number;
  readonly language: string;
  readonly info: string;
  readonly code: string;
}

function fencesOf(readme: string): Fence[] {
  const text = readFileSync(join(repositoryRoot, readme), "utf8");
  return [...text.matchAll(/^```(\w+)([^\n]*)\n(.*?)^```$/gms)].map((match) => {
    const [, language = "", info = "", code = ""] = match;
    const line = text.slice(0, match.index).split("\n").length + 1;
    const title = /\btitle="([^"]+)"/.exec(info)?.[1];
    const folder = dirname(readme) === "." ? "root" : basename(dirname(readme));
    return { readme, folder, file: title ?? `line-${line}.${language}`, line, language, info, code };
  });
}
