/** Checks the package in the current directory as it would be published: its manifest, its files, its types. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack, repositoryRoot, run } from "./packages.ts";

const directory = process.cwd();
const scratch = await mkdtemp(join(tmpdir(), "lint-package-"));
const bin = join(repositoryRoot, "tooling/node_modules/.bin");
try {
  const tarball = await pack(directory, scratch);
  await run(join(bin, "publint"), ["run", tarball, "--strict"], { cwd: directory });
  await run(join(bin, "attw"), [tarball, "--profile", "esm-only", "--no-color"], { cwd: directory });
} finally {
  await rm(scratch, { recursive: true, force: true });
}
