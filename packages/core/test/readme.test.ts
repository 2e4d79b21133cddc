import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fencesOf } from "./readme.ts";

test.each(["sqlite-backend.ts", "harness.ts"])("the README has %s as it is tested", (name) => {
  const file = readFileSync(new URL(`../examples/${name}`, import.meta.url), "utf8");
  expect(fencesOf().get(name)).toBe(file);
});

test("the README has every error code under a heading, and no other", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const headings = [...readme.matchAll(/^### `([A-Z_]+)`$/gm)].map(([, code]) => code);
  const source = readFileSync(new URL("../src/errors.ts", import.meta.url), "utf8");
  const union = source.slice(0, source.indexOf(";", source.indexOf("TaskStoreErrorCode")));
  expect(headings).toEqual([...union.matchAll(/"([A-Z_]+)"/g)].map(([, code]) => code));
});
