import { readFileSync } from "node:fs";

/** The documentation pages that show a backend and how to run the suite against it. */
const PAGES = ["guides/writing-a-backend.md", "guides/conformance-suite.md"];

export const pageOf = (name: string) => readFileSync(new URL(`../../../tooling/docs/${name}`, import.meta.url), "utf8");

/** The files that these pages show, by name. */
export function fencesOf(): Map<string, string> {
  const fences = PAGES.flatMap((page) => [
    ...pageOf(page).matchAll(/^```ts [^\n]*title="([^"]+)"[^\n]*\n(.*?)^```$/gms),
  ]);
  return new Map(fences.map(([, name = "", code = ""]) => [name, code]));
}
