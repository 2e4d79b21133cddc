import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../packages.ts";

// The page of benchmarks has figures of the results, and no others.

const read = (path: string) => readFileSync(join(repositoryRoot, "tooling", path), "utf8");
const page = read("docs/inside/benchmarks.md");
const [, lives = "", others = ""] = page.split(/^## (?:The life of a task|Beside other libraries)$/m);
const results = { SQLite: "sqlite", PostgreSQL: "postgres", Redis: "redis", memory: "memory" };

/** The cells of a table, without its head. */
function rowsOf(text: string): string[][] {
  return [...text.matchAll(/^\| (?!---)(.*) \|$/gm)]
    .slice(1)
    .map(([, row = ""]) => row.split("|").map((cell) => cell.trim()));
}

test("every life of a task is in the results of its store", () => {
  let file = "";
  const rows = rowsOf(lives.split("![")[0] ?? "");
  expect(rows.length).toBeGreaterThan(12);
  for (const [store = "", inFlight, rate, ratio] of rows) {
    const named = Object.entries(results).find(([name]) => store.startsWith(name));
    if (named) file = read(`bench/results/${named[1]}.md`);
    const line = file.split("\n").find((each) => each.startsWith(`| ${inFlight} in flight | ${rate} tasks/s |`));
    expect(line, `${store} ${inFlight}`).toContain(`| ${ratio} |`);
  }
});

test("every other library is in the results of PostgreSQL", () => {
  const [ours, ...rows] = rowsOf(others.split("\n## ")[0] ?? "");
  for (const [name, rate, ratio = ""] of rows) {
    const start = `| 16 in flight | ${ours?.[1]} tasks/s | ${name} | ${rate} tasks/s | ${ratio.split(" ")[0]} |`;
    expect(read("bench/results/postgres.md")).toContain(start);
  }
});
