// The generated package: as it comes, and filled in with the example backend.

import { copyFile, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { needEngine } from "../../../tooling/databases/docker.ts";
import { redisImage } from "../../../tooling/databases/redis-container.ts";
import { WayUnavailable } from "../../../tooling/databases/server.ts";
import { isWide } from "../../../tooling/wide.ts";
import { useGenerated } from "./generated.ts";
import { program } from "./program.ts";

const TIMEOUT_MS = 600_000;
const runners = ["vitest", "node"];
const generated = useGenerated();

const manifestOf = async (folder: string) => JSON.parse(await readFile(join(folder, "package.json"), "utf8"));

describe.each(runners)("the files for %s", (runner) => {
  test("have the package's own names", async () => {
    const folder = generated.folder(runner);
    const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((file) => file.isFile());
    for (const { name, parentPath } of files) {
      const text = await readFile(join(parentPath, name), "utf8");
      expect(text, name).not.toMatch(/example-backend|Example(Backend|Options|TaskStore)/);
    }
    const prefix = runner === "vitest" ? "Vitest" : "Node";
    expect(await readFile(join(folder, "src/index.ts"), "utf8")).toContain(`class ${prefix}TaskStore extends`);
    expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining([".gitignore", "ci.yml", "config.json"]));
  });

  test("ask for the versions of this release", async () => {
    const { name, engines, scripts, peerDependencies, devDependencies } = await manifestOf(generated.folder(runner));
    const core = await manifestOf(fileURLToPath(new URL("../../core", import.meta.url)));
    expect(name).toBe(`@acme/mcp-task-${runner}`);
    expect(engines).toEqual(core.engines);
    expect(peerDependencies).toEqual({ "@mcp-task-store/core": `^${core.version}` });
    expect(devDependencies).toMatchObject(peerDependencies);
    for (const version of Object.values(devDependencies)) expect(version).toMatch(/^\^\d+\.\d+\.\d+$/);
    expect("vitest" in devDependencies).toBe(runner === "vitest");
    expect(scripts.test).toMatch(runner === "vitest" ? /^vitest run$/ : /^node --test /);
  });
});

describe("as it comes", () => {
  test.each(runners)("its types are right, and it compiles: %s", { timeout: TIMEOUT_MS }, async (runner) => {
    expect(await generated.run(runner, "npm", "run", "typecheck")).toMatchObject({ code: 0 });
    expect(await generated.run(runner, "npm", "run", "build")).toMatchObject({ code: 0 });
    expect(await readdir(join(generated.folder(runner), "dist"))).toContain("index.d.ts");
  });

  test.each([
    ["vitest", "npm", ["test", "--", "--testNamePattern=task-object/initial"]],
    ["node", process.execPath, ["--test", "--test-name-pattern=task-object/initial", "test/conformance.test.ts"]],
  ])("its suite fails, and says which rule and which method: %s", { timeout: TIMEOUT_MS }, async (runner, ...how) => {
    const [command, args] = how;
    const { code, stdout, stderr } = await generated.run(runner, command, ...args);
    expect(code).toBe(1);
    const output = stdout + stderr;
    expect(output).toContain("task-object/initial: A new task is `working` and has exactly the wire fields.");
    expect(output).toMatch(/1\. store 1\.createTask\(.*\) rejected: BACKEND_UNAVAILABLE, /);
    expect(output).toContain(`Not implemented: open of ${runner === "vitest" ? "Vitest" : "Node"}Backend.`);
  });

  test("as a program, it ends at the first failure", { timeout: TIMEOUT_MS }, async () => {
    const script = ["run", "conformance", "--", "--only", "states", "--bail"];
    const { code, stdout } = await generated.run("node", "npm", ...script);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^states +0 +1 +0$/m);
    expect(stdout).toMatch(/^\d+ more cases were not run, after the first failure\.$/m);
    expect(stdout).toMatch(/^FAILED states\/[\w-]+: [\s\S]*Not implemented: open of NodeBackend\./m);
  });
});

describe("the database of the tests", () => {
  const start = 'import("./test/filled.ts").then(({ databaseUrl }) => databaseUrl()).then(console.log)';

  test("comes in a container, which keeps no process alive", { timeout: TIMEOUT_MS }, async ({ skip }) => {
    const image = await redisImage().catch((error) => {
      throw error instanceof WayUnavailable ? skip(error.message) : error;
    });
    const folder = generated.folder("vitest");
    const database = await readFile(join(folder, "test/database.ts"), "utf8");
    const filled = database.replace("your-database:1.2.3", image).replace("PORT = 1234", "PORT = 6379");
    await writeFile(join(folder, "test/filled.ts"), filled);
    const { code, stdout } = await program(process.execPath, ["--eval", start], folder);
    const { container } = await needEngine();
    const port = Number(/^your-database:\/\/.+:(\d+)\n$/.exec(stdout)?.[1]);
    const started = (await container.list()).find(({ Ports }) => Ports.some(({ PublicPort }) => PublicPort === port));
    if (started) await container.getById(started.Id).remove({ force: true, v: true });
    expect({ code, state: started?.State }).toEqual({ code: 0, state: "running" });
    expect(started?.Image).toContain(image);
  });

  test("needs Docker or an address, and says so", { timeout: TIMEOUT_MS }, async () => {
    const folder = generated.folder("node");
    await copyFile(join(folder, "test/database.ts"), join(folder, "test/filled.ts"));
    const none = { DOCKER_HOST: "unix:///nowhere/docker.sock" };
    const { code, stderr } = await program(process.execPath, ["--eval", start], folder, none);
    expect(code).toBe(1);
    expect(stderr).toContain("start Docker and fill in test/database.ts, or set TEST_DATABASE_URL");
  });
});

describe("filled in with the example backend", () => {
  beforeAll(async () => {
    for (const runner of runners) {
      const source = join(generated.folder(runner), "src");
      const example = new URL("../../core/examples/sqlite-backend.ts", import.meta.url);
      await copyFile(fileURLToPath(example), join(source, "sqlite-backend.ts"));
      const prefix = runner === "vitest" ? "Vitest" : "Node";
      await writeFile(
        join(source, "backend.ts"),
        `import { join } from "node:path";
        import type { ${prefix}Options } from "./options.ts";
        import { SqliteBackend } from "./sqlite-backend.ts";

        export class ${prefix}Backend extends SqliteBackend {
          constructor({ url, namespace = "mcp" }: ${prefix}Options) {
            super(join(url, namespace + ".db"));
          }
        }`,
      );
    }
  });

  test.each(runners)("its types are right: %s", { timeout: TIMEOUT_MS }, async (runner) => {
    expect(await generated.run(runner, "npm", "run", "typecheck")).toMatchObject({ code: 0 });
  });

  // The suite waits for the real clock most of the time, so both run together. With `TEST_WIDE=1`,
  // all of it.
  const part = isWide ? "." : "(states|lists|durability|crash)/";
  test.concurrent.each([
    ["vitest", ["npm", "test", "--", `--testNamePattern=${part}`], /Tests +\d+ passed \| \d+ skipped/],
    [
      "node",
      [process.execPath, "--test", `--test-name-pattern=${part}`, "test/conformance.test.ts"],
      /^(#|ℹ) fail 0$/m,
    ],
  ] as const)("its suite passes: %s", { timeout: TIMEOUT_MS }, async (runner, [command, ...args], passed) => {
    const { code, stdout, stderr } = await generated.run(runner, command, ...args);
    expect(stdout + stderr).toMatch(passed);
    expect(code).toBe(0);
  });
});
