/**
 * Attaches each bill of materials in a folder to the GitHub release of its package and version.
 * `node tooling/attach-sboms.ts sboms`
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./packages.ts";

const [folder = "sboms"] = process.argv.slice(2);
for (const file of readdirSync(folder)) {
  const path = join(folder, file);
  const { group, name, version } = JSON.parse(readFileSync(path, "utf8")).metadata.component;
  // The tag that changesets gives the release.
  const tag = `${group ? `${group}/` : ""}${name}@${version}`;
  await run("gh", ["release", "upload", tag, path, "--clobber"], { cwd: "." });
  console.log(`${tag}: ${file}`);
}
