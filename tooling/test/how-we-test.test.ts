import { readFileSync } from "node:fs";
import { join } from "node:path";
import { conformanceCases } from "@mcp-task-store/core/conformance";
import { expect, test } from "vitest";
import { mutants } from "../../packages/core/test/mutants/index.ts";
import { SCENARIOS } from "../conformance-server/suite.ts";
import { repositoryRoot } from "../packages.ts";

const page = readFileSync(join(repositoryRoot, "tooling/docs/inside/how-we-test.md"), "utf8");

/** The count in the row that begins with this. */
function countIn(beginning: string): number {
  const row = page.split("\n").find((line) => line.startsWith(`| ${beginning}`));
  return Number(
    row
      ?.split("|")[2]
      ?.match(/\d[\d,]*/)?.[0]
      .replaceAll(",", ""),
  );
}

test("the page has as many cases, broken stores and scenarios as there are", () => {
  expect(countIn("cases:")).toBe(conformanceCases.length);
  expect(countIn("broken stores")).toBe(mutants.length);
  expect(countIn("scenarios of the official")).toBe(SCENARIOS.length);
});
