import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../packages.ts";
import { PORTABLE_EXCLUDE, PORTABLE_INCLUDE } from "../portable.ts";

// The tests that run on macOS and Windows, where no database server is.

const files = globSync([...PORTABLE_INCLUDE], { cwd: repositoryRoot }).map((path) => path.replaceAll("\\", "/"));

test("the tests that stay away exist", () => {
  expect(Object.keys(PORTABLE_EXCLUDE).filter((path) => !files.includes(path))).toEqual([]);
});

test("no test for every system starts a database server: list it with its reason, or take fixtures/stores.ts", () => {
  const served = files
    .filter((path) => !Object.hasOwn(PORTABLE_EXCLUDE, path))
    .filter((path) => /databases\/|from "(pg|ioredis)"/.test(readFileSync(join(repositoryRoot, path), "utf8")));
  expect(files.length).toBeGreaterThan(80);
  expect(served).toEqual([]);
});
