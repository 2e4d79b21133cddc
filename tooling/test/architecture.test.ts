import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../packages.ts";

// Pages that explain the code name files. These tests keep the names right when files move.

const DECISIONS = "tooling/docs/inside/decisions";
const pages = globSync(["ARCHITECTURE.md", "CONTRIBUTING.md", `${DECISIONS}/*.md`], { cwd: repositoryRoot }).toSorted();
const files = globSync(["*", "{packages,tooling,.github,.changeset,.ci}/**"], {
  cwd: repositoryRoot,
  exclude: (path) => /(^|[/\\])(node_modules|dist|\.scratch)([/\\]|$)/.test(path),
}).map((path) => `/${path.replaceAll("\\", "/")}`);

/**
 * Matches text in code font: `folder/` with a final slash, or a name with an extension used here.
 */
const PATH = /^(?:[\w.-]+\/)*(?:[\w.-]+\/|[\w.-]+\.(?:ts|lua|sql|md|svg|json|ya?ml|sh))$/;

test.each(pages)("every file and folder named in %s exists", (page) => {
  const text = readFileSync(join(repositoryRoot, page), "utf8");
  const named = [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code).filter((code) => PATH.test(code));
  const linked = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
  expect(named.filter((name) => !isThere(name))).toEqual([]);
  expect(linked.filter((target) => !existsSync(join(repositoryRoot, dirname(page), target)))).toEqual([]);
});

test("the index of decisions has every page, in order, under its title", () => {
  const index = readFileSync(join(repositoryRoot, DECISIONS, "README.md"), "utf8");
  const listed = [...index.matchAll(/^\| (\d+) \| \[(.+)\]\((.+)\) \|$/gm)].map(([, ...row]) => row);
  const written = pages
    .filter((page) => /\/\d{4}-[^/]+$/.test(page))
    .map((page) => {
      const [, number, title] = /^# (\d+)\. (.+)$/m.exec(readFileSync(join(repositoryRoot, page), "utf8")) ?? [];
      return [number, title, page.slice(DECISIONS.length + 1)];
    });
  expect(listed).toEqual(written);
});

/**
 * Matches from the root, or the end of any file's path, so a section on one package need not repeat
 * its folder.
 */
function isThere(name: string): boolean {
  return name.endsWith("/")
    ? files.some((file) => file.includes(`/${name}`))
    : files.some((file) => file.endsWith(`/${name}`));
}
