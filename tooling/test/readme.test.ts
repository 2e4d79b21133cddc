import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDatabase, sharedServer } from "../databases/fixtures.ts";
import { startOwnRedis } from "../databases/index.ts";
import { repositoryRoot, run } from "../packages.ts";
import { readmeFences } from "../readmes.ts";

// Every `ts` and `js` fence of a README is a program. It is type-checked (`ts`) and must run to
// success in its own process. In the info string, `no-run` skips the run. `title="name.ts"` names
// the file, so that later fences of the same README can import it. A program that reads
// DATABASE_URL or REDIS_URL gets a database of its own.

const fences = readmeFences();
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
      // The types of the SDK's adapter reject Node's own requests under exactOptionalPropertyTypes.
      compilerOptions: { noUnusedLocals: false, exactOptionalPropertyTypes: false },
    }),
  );
  for (const { folder, file, line, code } of programs) {
    await mkdir(join(scratch, folder), { recursive: true });
    // Blank lines in place of the text above the fence, so that errors name the README's own lines.
    await writeFile(join(scratch, folder, file), "\n".repeat(line - 1) + code);
    for (const { file: shown, code: other } of shownElsewhere(folder, code))
      await writeFile(join(scratch, folder, shown), other);
  }
});

/** Files that a page imports, and another page of its room shows. */
function shownElsewhere(folder: string, code: string) {
  return [...code.matchAll(/ from "\.\/([^"]+)"/g)].flatMap(([, name]) => {
    const shown = programs.filter(({ file }) => file === name);
    if (shown.some((each) => each.folder === folder)) return [];
    const room = shown.filter((each) => dirname(each.folder) === dirname(folder));
    if (room.length !== 1) throw new Error(`${room.length} pages beside ${folder} show ${name}`);
    return room;
  });
}

afterAll(() => rm(scratch, { recursive: true, force: true }));

test.runIf(programs.some(({ language }) => language === "ts"))(
  "the TypeScript of every README type-checks",
  async () => {
    await run(join(repositoryRoot, "node_modules/.bin/tsc"), ["-p", scratch, "--pretty", "false"], { cwd: scratch });
  },
  120_000,
);

describe.each(programs.filter(({ info }) => !/\bno-run\b/.test(info)))("$readme", ({ folder, file, line, code }) => {
  test(`the program at line ${line} runs`, async ({ onTestFinished }) => {
    const env = { ...process.env, PORT: String(await freePort()), ...(await databasesOf(code, onTestFinished)) };
    await run(process.execPath, [file], { cwd: join(scratch, folder), env, timeoutMs: 120_000 });
  }, 150_000);
});

/** Empty databases for a program that asks for them, and for the files that it imports. */
async function databasesOf(code: string, onTestFinished: (end: () => Promise<void>) => void) {
  const imported = programs.filter(({ file }) => code.includes(`from "./${file}"`)).map((each) => each.code);
  const text = [code, ...imported].join("\n");
  const env: Record<string, string> = {};
  if (text.includes("DATABASE_URL")) {
    const database = await createDatabase((await sharedServer({ product: "PostgreSQL" })).url);
    onTestFinished(() => database.drop());
    env["DATABASE_URL"] = env["DIRECT_DATABASE_URL"] = database.url;
  }
  if (text.includes("REDIS_URL")) {
    const server = await startOwnRedis();
    onTestFinished(() => server.stop());
    env["REDIS_URL"] = server.url;
  }
  return env;
}

/** A port that no program listens on, for a program that takes its port from PORT. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("The probe listens on no port");
  return address.port;
}

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
