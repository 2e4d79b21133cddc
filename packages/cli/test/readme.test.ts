import { globSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readmeFences } from "../../../tooling/readmes.ts";
import { mcpTasks } from "./support/cli.ts";
import { sqlite } from "./support/places.ts";

const readme = readFileSync(new URL("../../../tooling/docs/run/cli.md", import.meta.url), "utf8");

/** The rows of the table under a heading. */
function rowsUnder(heading: string): string[][] {
  const section = readme.split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return [...section.matchAll(/^\| (?!---)(.+) \|$/gm)].slice(1).map(([, row = ""]) => row.split(" | "));
}

describe("the page of the command line", () => {
  const place = sqlite.use();
  beforeAll(async () => {
    await place.store.createTask({ name: "render", owner: "alice" });
  });

  test("has the commands and exit codes of --help", async () => {
    const { stdout } = await mcpTasks(["--help"]);
    const [, commands = ""] = /\n\n(Look at tasks:.*)\n\nThe store:/s.exec(stdout) ?? [];
    const [, codes = ""] = /\nExit codes:\n(.*)/s.exec(stdout) ?? [];
    const listed = (text: string) => [...text.matchAll(/^ {2}(\d+, \d+|\S+) +(.+)$/gm)].map(([, ...row]) => row);
    expect(listed(commands)).toEqual(rowsUnder("Commands").map(([name, what]) => [name?.replaceAll("`", ""), what]));
    expect(listed(codes)).toEqual(rowsUnder("Exit codes"));
  });

  test("has examples that run", async () => {
    const fences = readmeFences().filter(
      ({ readme, language, info }) => readme === "tooling/docs/run/cli.md" && language === "sh" && !/no-run/.test(info),
    );
    const lines = fences
      .flatMap(({ code }) => code.trim().split("\n"))
      .map((line) => [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? ""))
      .map((words) => (words[0] === "npx" ? words.slice(2) : words.slice(1)));
    expect(lines.length).toBeGreaterThan(8);
    // The addresses of the README are of no server, and export writes a file.
    const ended = await Promise.all(
      lines.map((words) =>
        mcpTasks(
          words.filter((word) => word !== "--store" && !/:\/\//.test(word)),
          { env: { MCP_TASK_STORE: place.url }, cwd: dirname(place.url) },
        ),
      ),
    );
    expect(
      ended.flatMap(({ code, stderr }, index) => (code === 0 ? [] : [{ line: lines[index], code, stderr }])),
    ).toEqual([]);
  });
});

test("no driver and no store is loaded before a command opens one", () => {
  const folder = new URL("../src/", import.meta.url);
  const heavy =
    /^import (?!type\b)[^;]*? from "(pg|ioredis|better-sqlite3|@mcp-task-store\/(?:postgres|redis|sqlite))"/gm;
  const found = globSync("**/*.ts", { cwd: folder }).flatMap((file) =>
    [...readFileSync(new URL(file, folder), "utf8").matchAll(heavy)].map(([, name]) => `${file}: ${name}`),
  );
  expect(found).toEqual([]);
  const start = ["main.ts", "run.ts", "help.ts", "common-options.ts", "commands/index.ts", "stores/settings.ts"];
  const core = start.filter((file) =>
    /^import (?!type\b)[^;]*"@mcp-task-store/m.test(readFileSync(new URL(file, folder), "utf8")),
  );
  expect(core).toEqual([]);
});
