import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { conformanceCases, runConformance } from "@mcp-task-store/core/conformance";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { harness } from "../examples/harness.ts";
import { makeHarness } from "./mutants/harness.ts";
import { mutants } from "./mutants/index.ts";
import { fencesOf } from "./readme.ts";

const TIMEOUT_MS = 600_000;
const run = promisify(execFile);
const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");

/** Here this package's name resolves, as it does in the project of a reader. */
let project: string;

beforeAll(async () => {
  const parent = fileURLToPath(new URL(".scratch/", import.meta.url));
  await mkdir(parent, { recursive: true });
  project = await mkdtemp(join(parent, "doors-"));
  for (const [name, code] of fencesOf()) await writeFile(join(project, name), code);
});

afterAll(() => rm(project, { recursive: true, force: true }));

describe("the README's ways to run the suite", () => {
  const node = async (...args: string[]) => {
    // What this test's own runner set is not for the processes that it starts.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_|TEST$)/.test(name)));
    const { stdout } = await run(process.execPath, args, {
      cwd: project,
      timeout: TIMEOUT_MS,
      env: { ...env, NO_COLOR: "1" },
    });
    return stdout;
  };
  const skipped = conformanceCases.filter(
    ({ requires }) => requires.includes("outage") || requires.includes("!durable"),
  );
  const passed = conformanceCases.length - skipped.length;

  test("vitest", { timeout: TIMEOUT_MS }, async () => {
    expect(await node(vitest, "run", "conformance.test.ts")).toMatch(
      new RegExp(`Tests +${passed} passed \\| ${skipped.length} skipped`),
    );
  });

  test("node:test", { timeout: TIMEOUT_MS }, async () => {
    const output = await node("--test", "--test-reporter=tap", "conformance.node.ts");
    expect(output).toContain(`# pass ${passed}\n# fail 0\n`);
    expect(output).toContain(`# skipped ${skipped.length}\n`);
  });

  test("a program", { timeout: TIMEOUT_MS }, async () => {
    expect(await node("conform.ts")).toContain(`node:sqlite: ${passed} passed, 0 failed, ${skipped.length} skipped`);
  });
});

describe("the report", () => {
  test("is JSON, and has every case that was asked for", async () => {
    const report = await runConformance(harness, { only: ["lists", "states/progress", "durability/gone"] });
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    const asked = conformanceCases
      .map(({ id }) => id)
      .filter((id) => /^lists\/|^states\/progress$|^durability\/gone$/.test(id));
    expect(report.cases.map(({ id }) => id)).toEqual(asked);
    expect(report).toMatchObject({
      name: "node:sqlite",
      passed: asked.length - 1,
      failed: 0,
      skipped: [{ id: "durability/gone", requires: ["!durable"] }],
    });
  });

  test("says what failed and why", async () => {
    const mutant = mutants.find(({ id }) => id === "lifo");
    const report = await runConformance(makeHarness(mutant), { only: ["messages/fifo", "messages/outlive-the-task"] });
    expect(report).toMatchObject({ passed: 1, failed: 1, skipped: [] });
    const failure = report.cases.find(({ status }) => status === "failed");
    expect(failure).toMatchObject({ id: "messages/fifo", error: { name: "AssertionError" } });
  });
});

test("every case has an id of its own and a sentence of the contract", () => {
  expect(new Set(conformanceCases.map(({ id }) => id)).size).toBe(conformanceCases.length);
  for (const { id, contract } of conformanceCases) {
    expect(id).toMatch(/^[a-z-]+\/[a-z0-9-]+$/);
    expect(contract).toMatch(/^[A-Z`].*\.$/s);
  }
});
