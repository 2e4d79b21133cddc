import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { measure } from "../bench/measure.ts";
import { parseOptions } from "../bench/options.ts";
import type { Results, Section } from "../bench/section.ts";
import { spreadOf } from "../bench/statistics.ts";
import { numberOf } from "../bench/table.ts";
import { UsageError } from "../command.ts";
import { useDatabase, useKeys } from "../databases/fixtures.ts";
import { repositoryRoot, run } from "../packages.ts";
import { isWide } from "../wide.ts";

const database = useDatabase();
const keys = useKeys();
let out: string;

beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), "bench-test-"));
});

afterAll(() => rm(out, { recursive: true, force: true }));

function bench(...args: string[]): Promise<string> {
  const env = { ...process.env, TEST_POSTGRES_URL: database.url, TEST_REDIS_URL: keys.url };
  return run(process.execPath, ["--expose-gc", "tooling/bench/main.ts", ...args], { cwd: repositoryRoot, env });
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

// The timeout is only a bound, as processes start slowly on a busy machine.
test.runIf(isWide)(
  "measures processes, crowds, sweeps, sizes and big tables on a server",
  { timeout: 300_000 },
  async () => {
    const scenarios = ["processes", "crowd", "big-table", "sweep", "operators", "size"];
    await bench("--quick", "--scenario", scenarios.join(), "--store", "postgres,redis", "--out", out);
    const sectionsOf = async (name: string): Promise<readonly Section[]> =>
      (JSON.parse(await readFile(join(out, `${name}.json`), "utf8")) as Results).sections;

    const postgres = await sectionsOf("postgres");
    expect(postgres.map(({ scenario }) => scenario)).toEqual(scenarios);
    const namesIn = (index: number) =>
      postgres[index]?.rows.map(({ title, ours, other }) => [title, ours.name, other?.name]);
    expect(namesIn(0)).toEqual([
      ["1 process", "postgres store", "pg"],
      ["2 processes", "postgres store", "pg"],
    ]);
    expect(namesIn(1)).toEqual([
      ["5,000 waiting", "2 processes of 16 workers", "1 process of 16 workers"],
      ["5,000 waiting", "2 processes of 16 workers", "1 worker"],
    ]);
    expect(namesIn(2)?.map(([title]) => title)).toEqual(
      ["create", "claim and finish", "a page of 10", "a sweep step"].map((title) => `${title}, at 10,000`),
    );
    for (const { rows } of postgres)
      for (const { ours, other, ratio } of rows)
        for (const { min } of [ours.figure, other?.figure ?? ours.figure, ratio ?? ours.figure])
          expect(min).toBeGreaterThan(0);
    // The payloads alone are larger than that.
    for (const { ours, other } of postgres[5]?.rows ?? [])
      for (const measured of [ours, other]) expect(measured?.figure.min).toBeGreaterThan(200);

    const redis = await sectionsOf("redis");
    expect(redis.map(({ scenario }) => scenario)).toEqual(scenarios.filter((name) => name !== "big-table"));
  },
);

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

test("the CPU time of a contestant's other processes counts as the client's", async () => {
  let cpuMs = 0;
  const otherCpuMs = async () => {
    cpuMs += 1_000_000;
    return cpuMs;
  };
  const alone = { name: "alone", run: async () => undefined };
  const setUp = async () => [{ ...alone, name: "with others", otherCpuMs }, alone];
  const settings = { scale: "quick", rounds: 2, slotMs: 1, warmUpMs: 0 } as const;
  const [row] = await measure({ title: "nothing", operations: 1, setUp }, settings);
  expect(row?.ours.busy?.client).toBeGreaterThan(100);
  expect(row?.cpu?.max).toBeLessThan(0.01);
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
