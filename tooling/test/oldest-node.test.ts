import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { publicPackages, repositoryRoot } from "../packages.ts";
import { oldestNode } from "./oldest-node.ts";

const manifestOf = (directory: string) => JSON.parse(textOf(join(directory, "package.json")));

test("every package promises the same versions of Node", () => {
  const { engines } = manifestOf("packages/core");
  for (const { directory } of publicPackages()) expect(manifestOf(directory).engines).toEqual(engines);
});

test("every page names the oldest Node version of `engines`", () => {
  const pages = [
    "README.md",
    "CONTRIBUTING.md",
    ...publicPackages().map(({ directory }) => join(directory, "README.md")),
  ];
  const named = pages.flatMap((page) => [...textOf(page).matchAll(/\bNode (\d+\.\d+)/g)].map(([, version]) => version));
  expect(new Set(named)).toEqual(new Set([oldestNode()]));
});

test("every page names the oldest Node version that the scripts need", () => {
  const { engines } = manifestOf(".");
  for (const page of ["README.md", "CONTRIBUTING.md"])
    expect(textOf(page)).toContain(`Node ${engines.node.replace(">=", "")} or newer and npm`);
});

test("CI runs the tests on the oldest version of Node", () => {
  expect(textOf(".github/workflows/ci.yml")).toContain(`node: ["${oldestNode()}", `);
});

function textOf(path: string): string {
  return readFileSync(join(repositoryRoot, path.replace(repositoryRoot, "")), "utf8");
}
