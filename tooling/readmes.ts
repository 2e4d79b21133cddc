import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { repositoryRoot } from "./packages.ts";

/** A block of code in a README, or in a page of the documentation. */
export interface Fence {
  /** The path of the README or the page. */
  readonly readme: string;
  /** A folder for each README, so that two can use the same file names; one for all pages. */
  readonly folder: string;
  readonly file: string;
  /** The line of the README on which the code begins. */
  readonly line: number;
  readonly language: string;
  readonly info: string;
  readonly code: string;
}

/** The pages of the documentation, without the records of decisions. */
const PAGES = "tooling/docs/*.md";

/** Every block of code of every README, and of every page of the documentation. */
export function readmeFences(): Fence[] {
  return globSync(["README.md", "packages/*/{README,UPGRADING}.md", PAGES], { cwd: repositoryRoot })
    .toSorted()
    .flatMap(fencesOf);
}

function fencesOf(readme: string): Fence[] {
  const text = readFileSync(join(repositoryRoot, readme), "utf8");
  const folder = dirname(readme) === "." ? "root" : basename(dirname(readme));
  // Pages share a folder, so that one can import files shown by another.
  const untitled = folder === "docs" || !readme.endsWith("README.md") ? `${basename(readme, ".md")}-line` : "line";
  return [...text.matchAll(/^```(\w+)([^\n]*)\n(.*?)^```$/gms)].map((match) => {
    const [, language = "", info = "", code = ""] = match;
    const line = text.slice(0, match.index).split("\n").length + 1;
    const title = /\btitle="([^"]+)"/.exec(info)?.[1];
    return { readme, folder, file: title ?? `${untitled}-${line}.${language}`, line, language, info, code };
  });
}
