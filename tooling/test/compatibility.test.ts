import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../packages.ts";

// The page of what was tested names the versions that the tests ran on.

const page = readFileSync(join(repositoryRoot, "tooling/docs/compare/compatibility.md"), "utf8");
const [tested = ""] = page.split("## Seen by hand");
const named = [...tested.matchAll(/`(@?[a-z][\w./-]*)` (\d+\.\d+\.\d+[\w.-]*)/g)].map(([, name = "", version]) => ({
  name,
  version,
}));

test("the page of clients, frameworks and runtimes names the installed versions", () => {
  expect(named.length).toBeGreaterThan(20);
  expect(named.map(({ name }) => ({ name, version: installed(name) }))).toEqual(named);
});

function installed(name: string): string {
  const homes = ["packages/server", "tooling", "."].map((home) => join(repositoryRoot, home, "node_modules", name));
  const home = homes.find((path) => existsSync(path));
  if (home === undefined) throw new Error(`${name} is not a dependency of the tests`);
  return JSON.parse(readFileSync(join(home, "package.json"), "utf8")).version;
}
