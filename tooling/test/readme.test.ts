import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse as parseToml } from "smol-toml";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { repositoryRoot, run } from "../packages.ts";
import { readmeFences } from "../readmes.ts";
import { expectRun, importsOf, programs, runnable, writePrograms } from "./fixtures/programs.ts";

// Every `ts` and `js` fence of a README is a program. It is type-checked (`ts`) and must run to
// success in its own process. In the info string, `no-run` skips the run. `title="name.ts"` names
// the file, so that later fences of the same README can import it. A program that reads
// DATABASE_URL or REDIS_URL gets a database of its own. A comment behind `console.log(...)` is its
// output.

const fences = readmeFences();
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
      // The types of the SDK's adapter reject Node's own requests under exactOptionalPropertyTypes.
      compilerOptions: { noUnusedLocals: false, exactOptionalPropertyTypes: false },
    }),
  );
  await writePrograms(scratch);
});

afterAll(() => rm(scratch, { recursive: true, force: true }));

test.runIf(programs.some(({ language }) => language === "ts"))(
  "the TypeScript of every README type-checks",
  async () => {
    await run(join(repositoryRoot, "node_modules/.bin/tsc"), ["-p", scratch, "--pretty", "false"], { cwd: scratch });
  },
  120_000,
);

describe.each(runnable)("$readme", (program) => {
  test(`the program at line ${program.line} runs`, async ({ onTestFinished }) => {
    await expectRun(program, scratch, onTestFinished);
  }, 150_000);
});

test("configuration files in READMEs and pages can be parsed", () => {
  const parsers: Readonly<Record<string, (code: string) => unknown>> = {
    json: JSON.parse,
    jsonl: (code) =>
      code
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    yaml: (code) => parseAllDocuments(code).map((each) => each.toJS()),
    toml: parseToml,
  };
  const files = fences.filter(({ language }) => Object.hasOwn(parsers, language));
  expect(files.length).toBeGreaterThan(5);
  for (const { readme, line, language, code } of files)
    expect(() => parsers[language]?.(code), `${readme}:${line}`).not.toThrow();
});

test("no README program needs a cast", () => {
  const casts = programs.flatMap(({ readme, line, code }) =>
    withoutText(code)
      .split("\n")
      .map((text, index) => ({ place: `${readme}:${line + index}`, text }))
      .filter(({ text }) => /\bas (?!const\b)|\bany\b|<any>/.test(text)),
  );
  expect(casts).toEqual([]);
});

test("the root README shows the measured figures", () => {
  const readme = readFileSync(join(repositoryRoot, "README.md"), "utf8");
  const rows = readme.split("\n").flatMap((row) => {
    const results = /\((tooling\/bench\/results\/\w+\.md)\)/.exec(row)?.[1];
    return row.startsWith("| [") && results !== undefined ? [{ row, results }] : [];
  });
  expect(rows).toHaveLength(4);
  for (const { row, results } of rows) {
    const measured = readFileSync(join(repositoryRoot, results), "utf8").split("\n");
    const [wakeUp = "", rate = "", ratio = ""] = row
      .split("|")
      .slice(5, 8)
      .map((cell) => cell.trim().replace(/^\[(.*)\]\(.*\)$/, "$1"));
    const [value] = ratio.split(" ");
    expect(
      measured.some((line) => line.startsWith(`| 16 in flight | ${rate} tasks/s |`) && line.includes(`| ${value} |`)),
    ).toBe(true);
    if (wakeUp.endsWith(" ms"))
      expect(measured.some((line) => line.startsWith(`| another process, p99 | ${wakeUp} |`))).toBe(true);
  }
});

test("a page says how to install what its programs import", () => {
  const pages = [...Map.groupBy(programs, ({ readme }) => readme)];
  const missing = pages.flatMap(([readme, ofPage]) => {
    const page = readFileSync(join(repositoryRoot, readme), "utf8");
    // In a block of shell, or in a sentence that goes on with other names.
    const installs = [...page.matchAll(/npm (?:install|i) [^\n]*(?:\n[^\n`]*`[^\n]*)?/g)].join(" ");
    const named = installs.split(/[\s`(),:;]+/);
    const imported = new Set(ofPage.flatMap(({ code }) => importsOf(code)));
    return [...imported].filter((name) => !named.includes(name)).map((name) => `${readme}: ${name}`);
  });
  expect(missing).toEqual([]);
});

test("every command in a README is a script of this repository", () => {
  const { scripts } = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));
  const unknown = commands.filter(({ script }) => script !== "install" && !Object.hasOwn(scripts, script ?? ""));
  expect(unknown).toEqual([]);
});

/** The code without strings, comments and imports, line by line. */
function withoutText(code: string): string {
  const gone =
    /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*.*?\*\/|^(?:import|export)\b[^;]*?\bfrom\b/gms;
  return code.replace(gone, (text) => text.replace(/[^\n]/g, ""));
}
