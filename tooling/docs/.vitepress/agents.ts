import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { leadTo, SITE } from "./links.ts";

const DOCS = join(import.meta.dirname, "..");

/** Gives the pages as Markdown, and llms-full.txt, links that lead somewhere from anywhere. */
export function completeLinks({ outDir }: { readonly outDir: string }): void {
  for (const file of globSync("{**/*.md,llms-full.txt}", { cwd: outDir })) {
    const path = join(outDir, file);
    writeFileSync(path, withWholeLinks(readFileSync(path, "utf8")));
  }
}

/** Finds the line above a page that has its URL. YAML folds a long one. */
const URL_LINE = /^(?:url:)? +(https:\S+\.md)$/;

/** @param text pages, each below a line with its URL */
function withWholeLinks(text: string): string {
  let page = "";
  let fenced = false;
  const lines = text.split("\n").map((line) => {
    const url = URL_LINE.exec(line)?.[1];
    if (url?.startsWith(SITE)) page = sourceOf(url.slice(SITE.length));
    if (line.startsWith("```")) fenced = !fenced;
    return fenced ? line : line.replace(/(?<=\]\()[^)\s]+(?=\))/g, (href) => whole(page, href));
  });
  return lines.join("\n");
}

function whole(page: string, href: string): string {
  const target = leadTo(page, href);
  return target.startsWith("/") ? SITE + target.slice(1).replace(/\/index\.md/, ".md") : target;
}

/** The file of a page whose Markdown is at that path: `inside/decisions.md` is made of a README. */
function sourceOf(path: string): string {
  const folder = path.replace(/\.md$/, "");
  return [path, `${folder}/README.md`, `${folder}/index.md`].find((each) => existsSync(join(DOCS, each))) ?? path;
}
