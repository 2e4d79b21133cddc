import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pack, publicPackages, repositoryRoot, run } from "../packages.ts";

// What a user gets: every public package packed, and installed by npm into a project that knows nothing of this one.

const packages = publicPackages();
const entryPoints = packages.flatMap((each) => each.entryPoints);
let project: string;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "pack-test-"));
  const tarballs = await Promise.all(packages.map((each) => pack(each.directory, project)));
  const manifest = {
    private: true,
    dependencies: Object.fromEntries(packages.map((each, index) => [each.name, `file:${tarballs[index]}`])),
    devDependencies: { "@types/node": await installedVersion("@types/node") },
  };
  await writeFile(join(project, "package.json"), JSON.stringify(manifest));
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline"], { cwd: project });
}, 300_000);

afterAll(() => rm(project, { recursive: true, force: true }));

test("an ES module imports every entry point", async () => {
  const names = await exportedNames("program.mjs", (specifier) => `await import(${JSON.stringify(specifier)})`);
  expect(Object.keys(names)).toEqual(entryPoints);
});

test("a CommonJS module requires every entry point and gets the same names", async () => {
  const required = await exportedNames("program.cjs", (specifier) => `require(${JSON.stringify(specifier)})`);
  const imported = await exportedNames("program.mjs", (specifier) => `await import(${JSON.stringify(specifier)})`);
  expect(required).toEqual(imported);
});

// The declarations of drizzle, which only the schemas show, name drivers that are not installed.
test.each([
  ["every entry point", entryPoints, true],
  [
    "every entry point but the schemas, libraries checked too",
    entryPoints.filter((name) => !name.endsWith("/schema")),
    false,
  ],
])(
  "strict TypeScript accepts an import and a require of %s",
  async (_, specifiers, skipLibCheck) => {
    const imports = specifiers.map(
      (specifier, index) => `export * as entry${index} from ${JSON.stringify(specifier)};`,
    );
    const requires = specifiers.map(
      (specifier, index) => `import entry${index} = require(${JSON.stringify(specifier)});\nexport { entry${index} };`,
    );
    await writeFile(join(project, "consumer.mts"), imports.join("\n"));
    await writeFile(join(project, "consumer.cts"), requires.join("\n"));
    const compilerOptions = {
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck,
      module: "nodenext",
      target: "es2023",
      types: ["node"],
      noEmit: true,
    };
    await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["consumer.*"] }));
    await run(join(repositoryRoot, "node_modules/.bin/tsc"), ["-p", project, "--pretty", "false"], { cwd: project });
  },
  120_000,
);

/** Runs a program that loads every entry point, and returns what each exports. */
async function exportedNames(file: string, load: (specifier: string) => string): Promise<Record<string, string[]>> {
  const entries = entryPoints.map(
    (specifier) => `names[${JSON.stringify(specifier)}] = Object.keys(${load(specifier)}).sort();`,
  );
  const program = ["const names = {};", ...entries, "console.log(JSON.stringify(names));"].join("\n");
  await writeFile(join(project, file), program);
  return JSON.parse(await run(process.execPath, [file], { cwd: project, timeoutMs: 60_000 }));
}

async function installedVersion(name: string): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
  return JSON.parse(await readFile(manifest, "utf8")).version;
}
