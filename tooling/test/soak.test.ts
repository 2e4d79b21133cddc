import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { UsageError } from "../command.ts";
import { repositoryRoot, run } from "../packages.ts";
import { parseOptions } from "../soak/options.ts";
import { type Sample, SHARED_SIGNAL } from "../soak/sample.ts";
import { faultsFound, growthOf, leftOver } from "../soak/verdict.ts";
import { isWide } from "../wide.ts";

// The timeout is only a bound. One store stands for all here: its server can be killed.
test.runIf(isWide)(
  "a short soak kills workers and servers, loses nothing, and writes a page",
  { timeout: 600_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "soak-test-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const out = join(folder, "results.md");
    const args = ["--store", "redis", "--minutes", "0.01", "--rate", "40", "--faults", "100", "--out", out];
    const stdout = await run(process.execPath, ["tooling/soak/main.ts", ...args], { cwd: repositoryRoot });
    expect(stdout).toContain("redis: clean");
    const page = await readFile(out, "utf8");
    expect(page).toContain("**Nothing lost, nothing grew.**");
    for (const fault of ["kills of the worker", "second stores", "restarts of the database", "kills of the database"])
      expect(page).toContain(`${fault} 1`);
    for (const life of ["here", "there", "steps", "again", "asks", "cancelled", "listening", "older", "inside"])
      expect(page).toMatch(new RegExp(`Lives: .*\\b${life} [1-9]`));
    expect(page).toMatch(/^\| connections seen by the database \| [1-9]/m);
    expect(page).not.toMatch(/NaN|Infinity|undefined/);
  },
);

const MIB = 1 << 20;

function sample(heapUsed: number, held: Record<string, number> = {}, active = 0): Sample {
  return {
    memory: { heapUsed, rss: 100 * MIB, external: 0, arrayBuffers: 0 },
    held: { sockets: 2, ...held },
    tasks: { active, kept: 0, undelivered: 0 },
    counted: { errors: 0, delivered: 0 },
  };
}

describe("the verdict", () => {
  const flat = Array.from({ length: 16 }, (_, minute) => sample((30 + (minute % 2) / 2) * MIB));
  const samples = { start: sample(0), minutes: flat, end: sample(0) };

  test("is clean for a heap that goes up and down", () => {
    expect(growthOf(flat, "heapUsed")).toEqual({ first: 30.25 * MIB, last: 30.25 * MIB, noise: MIB });
    expect(faultsFound(samples, [])).toEqual([]);
  });

  test("names a heap that grows by more than its noise", () => {
    const growing = flat.map((each, minute) => sample(each.memory.heapUsed + (minute * MIB) / 6));
    expect(faultsFound({ ...samples, minutes: growing }, [])).toEqual([
      expect.stringMatching(/^heapUsed grew from 30/),
    ]);
  });

  test("says nothing of a slope before there are twelve samples", () => {
    expect(growthOf(flat.slice(0, 11), "heapUsed")).toBeUndefined();
  });

  test("names what is held at the end and was not at the start", () => {
    expect(leftOver(sample(0), sample(0, { sockets: 3, timers: 1 }))).toEqual([
      "sockets: 2 at the start, 3 at the end",
      "timers: 0 at the start, 1 at the end",
    ]);
    expect(faultsFound({ ...samples, end: sample(0, { [SHARED_SIGNAL]: 1 }) }, [])).toContain(`${SHARED_SIGNAL}: 1`);
    // Objects of the engine come and go.
    expect(leftOver(sample(0), sample(0, { sockets: 1, "objects Promise": 50 }))).toEqual([]);
    expect(leftOver(sample(0), sample(0, { "objects Promise": 51 }))).toHaveLength(1);
  });

  test("names tasks that were lost or did not end", () => {
    expect(faultsFound({ ...samples, end: sample(0, {}, 2) }, ["here: gone"])).toEqual([
      "lost: here: gone",
      "2 tasks are still active",
    ]);
  });
});

describe("options", () => {
  test("are an hour on all stores by default", () => {
    expect(parseOptions([])).toEqual({
      stores: ["memory", "sqlite", "postgres", "redis"],
      minutes: 60,
      rate: undefined,
      faultSeconds: 20,
      out: undefined,
    });
    expect(parseOptions(["--help"])).toBe("help");
  });

  test.each([
    [["--store", "paper"], "memory, sqlite, postgres, redis"],
    [["--minutes", "0"], '"0"'],
    [["--rate", "fast"], '"fast"'],
    [["--no-such-option"], "--no-such-option"],
  ])("%j is refused", (args, message) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(message);
  });
});
