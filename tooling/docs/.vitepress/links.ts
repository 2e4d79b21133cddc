import { existsSync, statSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import type { MarkdownRenderer } from "vitepress";

const DOCS = join(import.meta.dirname, "..");
const ROOT = join(DOCS, "../..");
/** Where the site is published. */
export const SITE = "https://mcp-task-store.github.io/mcp-task-store/";
export const ON_GITHUB = "https://github.com/mcp-task-store/mcp-task-store";

/** Pages that include a file from elsewhere, whose links are relative to that file. */
export const INCLUDED: Readonly<Record<string, string>> = {
  "inside/architecture.md": "ARCHITECTURE.md",
  "inside/mutation.md": "tooling/mutation/results.md",
  "inside/histories.md": "tooling/histories/results.md",
  "inside/soak.md": "tooling/soak/results.md",
};

const PAGE_OF = new Map(Object.entries(INCLUDED).map(([page, file]) => [file, page]));

/**
 * Lets pages link to files as GitHub does. A link to a page of the site leads to that page, and one
 * to another file of the repository leads to GitHub.
 */
export function leadingLinks(md: MarkdownRenderer): void {
  md.core.ruler.push("leading-links", ({ tokens, env }) => {
    const page: string = relative(DOCS, env.path).split(sep).join("/");
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.type === "link_open" ? token.attrGet("href") : null;
      if (href !== null) token.attrSet("href", leadTo(page, href));
    }
  });
}

/** @param page path of the page in the folder of the documentation */
export function leadTo(page: string, href: string): string {
  const [path = "", anchor] = href.split("#");
  if (path === "" || /^[a-z]+:|^\//.test(path)) return href;
  const from = INCLUDED[page] === undefined ? join("tooling/docs", page) : INCLUDED[page];
  const target = join(dirname(from), path).split(sep).join("/").replace(/\/$/, "");
  const hash = anchor === undefined ? "" : `#${anchor}`;
  const shown = PAGE_OF.get(target) ?? (target.startsWith("tooling/docs/") ? target.slice("tooling/docs/".length) : "");
  if (shown.endsWith(".md") && shown !== "README.md") return `/${shown.replace(/README\.md$/, "index.md")}${hash}`;
  const file = join(ROOT, target);
  if (!existsSync(file)) throw new Error(`${page}: no file ${target}`);
  return `${ON_GITHUB}/${statSync(file).isDirectory() ? "tree" : "blob"}/main/${target}${hash}`;
}
