import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Answers } from "./answers.ts";
import { classPrefix } from "./names.ts";

/** Files with another name in the template, because npm has rules for them in a package. */
const RENAMED: Readonly<Record<string, string>> = { gitignore: ".gitignore", "manifest.json": "package.json" };

const root = fileURLToPath(new URL("..", import.meta.url));

interface Manifest {
  engines: { node: string };
  scripts: Record<string, string>;
  peerDependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

/** Writes the files of `template/` with the package's own names into the folder. */
export async function generate({ folder, name, runner }: Answers): Promise<void> {
  const template = join(root, "template");
  const own: Manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  for (const entry of await readdir(template, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const target = join(folder, relative(template, entry.parentPath), RENAMED[entry.name] ?? entry.name);
    let text = (await readFile(join(entry.parentPath, entry.name), "utf8"))
      .replaceAll("example-backend", name)
      .replace(/\bExample(?=Backend|Options|TaskStore)/g, classPrefix(name));
    if (entry.name === "manifest.json") text = manifestOf(JSON.parse(text), own, runner);
    if (entry.name === "conformance.test.ts" && runner === "node") text = text.replace('"vitest"', '"node:test"');
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, text);
  }
}

/**
 * The manifest with the versions with which this release was tested: those of the development
 * dependencies of this package.
 */
function manifestOf(manifest: Manifest, own: Manifest, runner: Answers["runner"]): string {
  manifest.engines = own.engines;
  if (runner === "node") {
    manifest.scripts["test"] = 'node --test "test/**/*.test.ts"';
    delete manifest.devDependencies["vitest"];
  }
  for (const dependencies of [manifest.peerDependencies, manifest.devDependencies])
    for (const name of Object.keys(dependencies)) {
      const version = own.devDependencies[name];
      if (version === undefined) throw new Error(`The template needs a version of ${name}`);
      dependencies[name] = version;
    }
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}
