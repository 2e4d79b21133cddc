import { conformanceCases, formatReport, runConformance } from "@mcp-task-store/core/conformance";
import { describe, expect, test } from "vitest";
import { isWide } from "../../../tooling/wide.ts";
import { harness } from "../examples/harness.ts";
import { makeHarness } from "./mutants/harness.ts";
import { mutants } from "./mutants/index.ts";
import type { Mutant } from "./mutants/mutant.ts";
import { fencesOf } from "./pages.ts";
import { TIMEOUT_MS, useProject, vitest } from "./project.ts";

const project = useProject(fencesOf());

describe("the ways to run the suite that the documentation shows", () => {
  const skipped = conformanceCases.filter(
    ({ requires }) => requires.includes("outage") || requires.includes("!durable"),
  );
  const passed = conformanceCases.length - skipped.length;

  // The program below runs all cases. These two run some of them by default.
  const PART = isWide ? "." : "(task-object|states|lists|failure)/";
  const part = conformanceCases.filter(({ id }) => new RegExp(`^${PART}`).test(id));
  const skippedOfPart = part.filter((each) => skipped.includes(each)).length;
  const passedOfPart = part.length - skippedOfPart;

  test("vitest", { timeout: TIMEOUT_MS }, async () => {
    const { stdout } = await project.node([vitest, "run", "conformance.test.ts", "--testNamePattern", PART]);
    const left = conformanceCases.length - passedOfPart;
    expect(stdout).toMatch(new RegExp(`Tests +${passedOfPart} passed \\| ${left} skipped`));
  });

  test("node:test", { timeout: TIMEOUT_MS }, async () => {
    const named = ["--test-reporter=tap", `--test-name-pattern=${PART}`];
    const { stdout } = await project.node(["--test", ...named, "conformance.node.ts"]);
    expect(stdout).toContain(`# pass ${passedOfPart}\n# fail 0\n`);
    expect(stdout).toContain(`# skipped ${skippedOfPart}\n`);
  });

  test("a program", { timeout: TIMEOUT_MS }, async () => {
    const { code, stdout, stderr } = await project.node(["conform.ts"]);
    expect(stdout).toMatch(new RegExp(`^all +${passed} +0 +${skipped.length} +requires .*outage`, "m"));
    expect(code).toBe(0);
    // Without this, a case whose `onError` throws prints a warning that looks like a failure.
    expect(stderr).not.toContain("onError is broken");
  });
});

describe("the report", () => {
  test("is JSON, with every selected case", async () => {
    const seen: string[] = [];
    const only = ["lists", "states/progress", "durability/g"];
    const report = await runConformance(harness, { only, onCase: ({ id }) => seen.push(id) });
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    const asked = conformanceCases
      .map(({ id }) => id)
      .filter((id) => /^lists\/|^states\/progress$|^durability\/gone$/.test(id));
    expect(seen).toEqual(asked);
    expect(report.cases.map(({ id }) => id)).toEqual(asked);
    expect(report).toMatchObject({
      name: "node:sqlite",
      passed: asked.length - 1,
      failed: 0,
      skipped: [{ id: "durability/gone", requires: ["!durable"] }],
      notRun: 0,
    });
  });

  test("refuses a selection without cases", async () => {
    await expect(runConformance(harness, { only: ["lists", "listing"] })).rejects.toThrow(
      'No case has an id that begins with "listing": the topics are task-object, states,',
    );
  });

  test("ends with the first failure if it is asked to", async () => {
    const mutant = mutants.find(({ id }) => id === "lifo");
    const report = await runConformance(makeHarness(mutant), { only: ["messages"], bail: true });
    const order = conformanceCases.filter(({ id }) => id.startsWith("messages/")).map(({ id }) => id);
    expect(report).toMatchObject({ failed: 1, notRun: order.length - 1 - order.indexOf("messages/fifo") });
    expect(report.cases.at(-1)).toMatchObject({ id: "messages/fifo", status: "failed" });
    expect(formatReport(report)).toContain(`\n${report.notRun} more cases were not run, after the first failure.\n`);
  });

  test("is a table with the failures below", async () => {
    const mutant = mutants.find(({ id }) => id === "lifo");
    const only = ["messages/fifo", "messages/outlive-the-task", "durability/gone"];
    const report = await runConformance(makeHarness(mutant), { only });
    const [table, failures] = formatReport(report).split("\n\n", 2);
    expect(table?.split("\n")).toEqual([
      "node:sqlite, lifo",
      "            passed  failed  skipped",
      "messages         1       1        0",
      "durability       0       0        1  requires !durable",
      "all              1       1        1  requires !durable",
    ]);
    expect(failures).toMatch(/^FAILED messages\/fifo: Messages of a task come out in the order/);
  });

  test("names each failed case and its reason", async () => {
    const mutant = mutants.find(({ id }) => id === "lifo");
    const report = await runConformance(makeHarness(mutant), { only: ["messages/fifo", "messages/outlive-the-task"] });
    expect(report).toMatchObject({ passed: 1, failed: 1, skipped: [] });
    const failure = report.cases.find(({ status }) => status === "failed");
    expect(failure).toMatchObject({
      id: "messages/fifo",
      contract: conformanceCases.find(({ id }) => id === "messages/fifo")?.contract,
      error: { name: "AssertionError" },
    });
  });

  test.each([
    ["trimmed-ids", "task-object/any-string-may-be-asked-for", 'With the string "task ": '],
    ["throwing-look-up", "task-object/any-string-may-be-asked-for", 'With the string "task ": '],
    [
      "owners-ignore-case",
      "isolation/owners-are-compared-exactly",
      'With the string "a:b": Also seen by the owner "A:B"',
    ],
  ])("names the string that a store gets wrong: %s", async (mutant, only, words) => {
    const report = await runConformance(makeHarness(mutants.find(({ id }) => id === mutant)), { only: [only] });
    expect(report.cases[0]?.error?.message).toContain(words);
  });

  test.each([
    ["\udfff", '"\\udfff"'],
    ["task\0", '"task\\u0000"'],
    ["x".repeat(100_000), `"${"x".repeat(80)}"... (100000 characters)`],
  ])("shows strings in printable characters and shortens long ones", async (bad, shown) => {
    const mutant: Mutant = {
      id: "refuses-one",
      breaks: "A look-up throws for one string",
      kills: [],
      store: (store) => ({
        getTask: (taskId, ...rest) =>
          taskId === bad ? Promise.reject(new Error("Malformed")) : store.getTask(taskId, ...rest),
      }),
    };
    const report = await runConformance(makeHarness(mutant), { only: ["task-object/any-string-may-be-asked-for"] });
    expect(report.cases[0]?.error?.message.split("\n").at(-1)).toBe(`  Seen: With the string ${shown}: Malformed`);
  });
});

test("every case has a unique id and a sentence of the contract", () => {
  expect(new Set(conformanceCases.map(({ id }) => id)).size).toBe(conformanceCases.length);
  for (const { id, contract } of conformanceCases) {
    expect(id).toMatch(/^[a-z-]+\/[a-z0-9-]+$/);
    expect(contract).toMatch(/^[A-Z`].*\.$/s);
  }
});
