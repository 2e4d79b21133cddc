import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { repositoryRoot } from "./packages.ts";

/** A block of code in a README, or in a page of the documentation. */
export interface Fence {
  /** The path of the README or the page. */
  readonly readme: string;
  /** A folder for each README and page, so that two can use the same file names. */
  readonly folder: string;
  readonly file: string;
  /** The line of the README on which the code begins. */
  readonly line: number;
  readonly language: string;
  readonly info: string;
  readonly code: string;
}

/** The pages of the documentation, without the records of decisions. */
const PAGES = "tooling/docs/*/*.md";

/** Every block of code of every README, and of every page of the documentation. */
export function readmeFences(): Fence[] {
  return globSync(["README.md", "packages/*/{README,UPGRADING}.md", PAGES], { cwd: repositoryRoot })
    .toSorted()
    .flatMap(fencesOf);
}

function fencesOf(readme: string): Fence[] {
  const text = readFileSync(join(repositoryRoot, readme), "utf8");
  const name = basename(readme, ".md");
  const parent = basename(dirname(readme));
  const folder = readme === "README.md" ? "root" : name === "README" ? parent : join(parent, name);
  return [...text.matchAll(/^```(\w+)([^\n]*)\n(.*?)^```$/gms)].map((match) => {
    const [, language = "", info = "", code = ""] = match;
    const line = text.slice(0, match.index).split("\n").length + 1;
    const title = /\btitle="([^"]+)"/.exec(info)?.[1];
    return { readme, folder, file: title ?? `line-${line}.${language}`, line, language, info, code };
  });
}
