import { conformanceCases } from "@mcp-task-store/core/conformance";
import { describe, expect, test } from "vitest";
import { makeHarness } from "./mutants/harness.ts";
import { mutants } from "./mutants/index.ts";

/** Long enough for an event that comes, and short enough to wait for one that never will. */
const PATIENCE_MS = 1000;

const cases = new Map(conformanceCases.map((each) => [each.id, each]));

describe.concurrent.each([...mutants])("$id: $breaks", (mutant) => {
  test.each([...mutant.kills])("is caught by %s", { timeout: 120_000 }, async (id) => {
    const failure = await cases
      .get(id)
      ?.run(makeHarness(mutant, PATIENCE_MS))
      .then(
        () => "passed",
        (error: unknown) => error,
      );
    expect(failure).toBeInstanceOf(Error);
  });
});

test("every case catches at least one mutant", () => {
  const killers = new Set(mutants.flatMap(({ kills }) => kills));
  expect(conformanceCases.map(({ id }) => id).filter((id) => !killers.has(id))).toEqual([]);
  expect([...killers].filter((id) => !cases.has(id))).toEqual([]);
});

test("no two mutants have the same id", () => {
  expect(new Set(mutants.map(({ id }) => id)).size).toBe(mutants.length);
});
