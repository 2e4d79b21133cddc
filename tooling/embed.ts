/**
 * Writes the SQL of migrations and the Lua of Redis commands into modules, so that the packages
 * read no files at run time. With `--check` it writes nothing, and fails if a module is stale.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { embedded } from "./embedded.ts";
import { repositoryRoot } from "./packages.ts";

const stale: string[] = [];
for (const { path, text } of embedded(read)) {
  const target = join(repositoryRoot, path);
  if (process.argv.includes("--check")) {
    if (readFileSync(target, "utf8") !== text) stale.push(path);
  } else writeFileSync(target, text);
}
if (stale.length > 0) {
  console.error(`Stale: ${stale.join(", ")}. Run: pnpm embed`);
  process.exitCode = 1;
}

function read(file: string): string {
  return readFileSync(join(repositoryRoot, file), "utf8").replaceAll("\r\n", "\n");
}
