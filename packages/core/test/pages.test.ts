import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fencesOf, pageOf } from "./pages.ts";

test.each(["sqlite-backend.ts", "harness.ts"])("the documentation shows the tested text of %s", (name) => {
  const file = readFileSync(new URL(`../examples/${name}`, import.meta.url), "utf8");
  expect(fencesOf().get(name)).toBe(file);
});

test("the page of errors has a heading for each code, and for nothing else", () => {
  const headings = [...pageOf("reference/errors.md").matchAll(/^## `([A-Z_]+)`$/gm)].map(([, code]) => code);
  const source = readFileSync(new URL("../src/contract/errors.ts", import.meta.url), "utf8");
  const from = source.indexOf("export type TaskStoreErrorCode");
  const union = source.slice(from, source.indexOf(";", from));
  expect(headings).toEqual([...union.matchAll(/"([A-Z_]+)"/g)].map(([, code]) => code));
});
