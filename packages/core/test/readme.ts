import { readFileSync } from "node:fs";

/** The files that this package's README shows, by name. */
export function fencesOf(): Map<string, string> {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const fences = readme.matchAll(/^```ts [^\n]*title="([^"]+)"[^\n]*\n(.*?)^```$/gms);
  return new Map([...fences].map(([, name = "", code = ""]) => [name, code]));
}
