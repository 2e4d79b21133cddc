import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseOptions } from "../bench/options.ts";
import type { Results } from "../bench/section.ts";
import { spreadOf } from "../bench/statistics.ts";
import { numberOf } from "../bench/table.ts";
import { UsageError } from "../command.ts";
import { repositoryRoot, run } from "../packages.ts";

let out: string;

beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), "bench-test-"));
});

afterAll(() => rm(out, { recursive: true, force: true }));

function bench(...args: string[]): Promise<string> {
  return run(process.execPath, ["--expose-gc", "tooling/bench/main.ts", ...args], { cwd: repositoryRoot });
}

test("prints a table for each variant of a store, and writes JSON and a chart", async () => {
  const stdout = await bench("--quick", "--scenario", "lifecycle", "--store", "memory,sqlite", "--out", out);
  for (const heading of ["memory, in the process", "sqlite, synchronous NORMAL", "sqlite, synchronous FULL"])
    expect(stdout).toContain(`== ${heading} ==`);
  // A figure, whom it is compared with, that one's figure, the ratio, its quartiles and extremes,
  // the goal, the time of processors, and how busy both keep them.
  const row = (case_: string, other: string) =>
    new RegExp(
      String.raw`^ +${case_} +[\d.,]+ tasks/s +${other} +[\d.,]+ tasks/s +[\d.]+( +[\d.]+\.\.[\d.]+){2} +[\d.]+ (reached|missed) +[\d.]+( +\d+%){2}$`,
      "gm",
    );
  for (const case_ of ["1 in flight", "16 in flight", "64 in flight", "16 in flight, ttl of an hour"]) {
    expect(stdout.match(row(case_, "SDK 1.x"))).toHaveLength(1);
    expect(stdout.match(row(case_, "better-sqlite3"))).toHaveLength(2);
  }

  const { store, sections }: Results = JSON.parse(await readFile(join(out, "sqlite.json"), "utf8"));
  expect(store).toBe("sqlite");
  expect(sections.map(({ scenario, variant }) => [scenario, variant])).toEqual([
    ["lifecycle", "synchronous NORMAL"],
    ["lifecycle", "synchronous FULL"],
  ]);
  for (const [index, synchronous] of [1, 2].entries()) {
    const section = sections[index];
    expect(section?.settings).toMatchObject({ journal_mode: "wal", synchronous: String(synchronous) });
    expect(section?.machine).toMatchObject({ cpu: expect.any(String), cores: expect.any(Number) });
    expect(section?.versions).toMatchObject({ node: process.version, "better-sqlite3": expect.any(String) });
    expect(section?.rows).toHaveLength(5);
    for (const { ours, other, ratio } of section?.rows ?? []) {
      expect(ratio?.rounds).toHaveLength(2);
      for (const spread of [ours.figure, other?.figure, ratio]) {
        const { min = 0, q1 = 0, median = 0, q3 = 0, max = 0 } = spread ?? {};
        expect(min).toBeGreaterThan(0);
        expect([min, q1, median, q3, max]).toEqual([min, q1, median, q3, max].toSorted((a, b) => a - b));
      }
    }
  }

  for (const name of ["memory", "sqlite"]) {
    const svg = await readFile(join(out, `${name}.svg`), "utf8");
    expectWellFormed(svg);
    expect(svg).toContain("prefers-color-scheme: dark");
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    const page = await readFile(join(out, `${name}.md`), "utf8");
    expect(page.match(/^\| (1|16|64) in flight/gm)).toHaveLength(name === "memory" ? 4 : 10);
    expect(page).not.toMatch(/NaN|Infinity|undefined/);
    expect(svg.match(/<circle /g)).toHaveLength(name === "memory" ? 4 : 10);
  }
});

/** Checks for one root, closed elements, quoted attributes, and escaped texts. */
function expectWellFormed(xml: string): void {
  const open: string[] = [];
  const tag = /<(\/?)([a-z]+)((?: [A-Za-z0-9-]+="[^"<&]*")*)(\/?)>|([^<]*)/g;
  let end = 0;
  for (const { 0: all, 1: slash, 2: name = "", 4: empty, 5: text = "", index } of xml.matchAll(tag)) {
    if (index !== end) break;
    end = index + all.length;
    if (slash) expect(open.pop()).toBe(name);
    else if (name !== "" && !empty) open.push(name);
    else expect(text).not.toMatch(/&(?!amp;|lt;|gt;|quot;)/);
  }
  expect(end).toBe(xml.length);
  expect(open).toEqual([]);
}

describe("options", () => {
  test("select all scenarios by default, or those that are named", () => {
    expect(parseOptions([])).toMatchObject({ stores: ["memory", "sqlite", "postgres", "redis"] });
    const options = parseOptions(["--store", "redis,memory", "--scenario", "claims", "--rounds", "3", "--quick"]);
    expect(options).toMatchObject({
      stores: ["memory", "redis"],
      scenarios: [{ name: "claims" }],
      settings: { rounds: 3 },
      out: undefined,
    });
  });

  test.each([
    [["--store", "paper"], "memory, sqlite, postgres, redis"],
    [["--scenario", "speed"], "lifecycle"],
    [["--rounds", "few"], '"few"'],
    [["--no-such-option"], "--no-such-option"],
  ])("%j is refused", (args, message) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(message);
  });

  test("are listed by --help", async () => {
    const help = await bench("--help");
    for (const option of ["--store", "--scenario", "--rounds", "--quick", "--out"]) expect(help).toContain(option);
  });
});

test("quantiles are interpolated", () => {
  expect(spreadOf([4, 1, 3, 2])).toEqual({ min: 1, q1: 1.75, median: 2.5, q3: 3.25, max: 4 });
  expect(spreadOf([7])).toEqual({ min: 7, q1: 7, median: 7, q3: 7, max: 7 });
});

test("figures have three significant digits", () => {
  expect([0, 0.01234, 1.234, 12.34, 123.4, 12_345].map(numberOf)).toEqual([
    "0",
    "0.0123",
    "1.23",
    "12.3",
    "123",
    "12,345",
  ]);
});
