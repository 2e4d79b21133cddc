/** Checks the package in the current directory as published: its manifest, files and types. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack, repositoryRoot, run } from "./packages.ts";

const directory = process.cwd();
const scratch = await mkdtemp(join(tmpdir(), "lint-package-"));
const bin = join(repositoryRoot, "tooling/node_modules/.bin");
// A package without a CommonJS build is an ES module, which `require` loads too.
const { exports } = JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
const profile = exports["."]?.require ? "node16" : "esm-only";
try {
  const tarball = await pack(directory, scratch);
  await run(join(bin, "publint"), ["run", tarball, "--strict"], { cwd: directory });
  // A package of commands has no types.
  if (exports["."]) await run(join(bin, "attw"), [tarball, "--profile", profile, "--no-color"], { cwd: directory });
} finally {
  await rm(scratch, { recursive: true, force: true });
}
