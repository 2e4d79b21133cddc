import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../packages.ts";

// Every link leads to an existing file, folder or heading. Links to this repository on GitHub, and
// to the site, count as links to its files.

const OURS = /^https:\/\/github\.com\/mcp-task-store\/mcp-task-store\/(?:blob|tree)\/main\//;
/** The site, whose pages are those of `tooling/docs`. */
const SITE = /^https:\/\/mcp-task-store\.github\.io\/mcp-task-store\/([^#]*)/;
const ELSEWHERE = /^[a-z]+:/;

const pages = tracked("*.md");

test.each(pages)("every link of %s leads somewhere", (page) => {
  expect(linksOf(page).filter((link) => !leads(page, link))).toEqual([]);
});

test("every documentation page named in a comment exists", () => {
  const named = tracked("*.ts").flatMap((file) =>
    [...textOf(file).matchAll(/tooling\/docs\/[\w/-]+\.md/g)].map(([name]) => ({ file, name })),
  );
  expect(named.filter(({ name }) => !existsSync(join(repositoryRoot, name)))).toEqual([]);
});

test("a heading has the anchor that GitHub gives it", () => {
  const text = "# `TASK_NOT_FOUND`\n## Timers, and [clocks](x.md) of *tests*\n```\n# none\n```\n## On it\n## On it";
  expect(anchorsOf(text)).toEqual(["task_not_found", "timers-and-clocks-of-tests", "on-it", "on-it-1"]);
});

function tracked(pattern: string): string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", pattern];
  const files = execFileSync("git", args, { cwd: repositoryRoot, encoding: "utf8" }).trim().split("\n");
  return files.filter((file) => existsSync(join(repositoryRoot, file)));
}

function textOf(path: string): string {
  return readFileSync(join(repositoryRoot, path), "utf8");
}

function withoutCode(text: string): string {
  return text.replace(/^```.*?^```$/gms, "");
}

/** The targets of `[text](target)` and `src="target"`. */
function linksOf(page: string): string[] {
  const text = withoutCode(textOf(page)).replace(/`[^`\n]*`/g, "");
  return [...text.matchAll(/\]\(([^)\s]+)\)|\b(?:src|href)="([^"]+)"/g)].map(
    ([, link, source]) => link ?? source ?? "",
  );
}

function leads(page: string, link: string): boolean {
  const [path = "", anchor] = link
    .replace(OURS, "/")
    .replace(SITE, (_, address) => pageAt(address))
    .split("#");
  if (ELSEWHERE.test(path)) return true;
  const target = path.startsWith("/") ? path.slice(1) : path === "" ? page : join(dirname(page), path);
  const full = join(repositoryRoot, target);
  if (!existsSync(full)) return false;
  if (anchor === undefined || anchor === "readme") return true;
  return anchorsOf(textOf(statSync(full).isDirectory() ? join(target, "README.md") : target)).includes(anchor);
}

/** The file of a page of the site. What only the build makes counts as a link elsewhere. */
function pageAt(address: string): string {
  const made = address === "llms.txt" || address === "llms-full.txt" || address.startsWith("reference/api/");
  return made ? `made:${address}` : `/tooling/docs/${address === "" ? "index" : address.replace(/\.md$/, "")}.md`;
}

/** GitHub's anchors: letters, digits, `_` and `-`, and a number for a repeated heading. */
function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>();
  return [...withoutCode(text).matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading = ""]) => {
    const anchor = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{M}\p{N}_\- ]/gu, "")
      .replaceAll(" ", "-");
    const times = seen.get(anchor) ?? 0;
    seen.set(anchor, times + 1);
    return times === 0 ? anchor : `${anchor}-${times}`;
  });
}
